#!/bin/sh
# start.sh PORT: a Jupyter server on this port of 127.0.0.1, with the jupyter of PATH. It writes to the working folder.
export HOME="$PWD" JUPYTER_CONFIG_DIR="$PWD/config" JUPYTER_DATA_DIR="$PWD/data" JUPYTER_RUNTIME_DIR="$PWD/runtime"
exec jupyter server --ip 127.0.0.1 --port "$1" --no-browser --allow-root --IdentityProvider.token="$JUPYTER_TOKEN" \
    --ServerApp.root_dir="$PWD"
