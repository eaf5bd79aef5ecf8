#!/bin/sh
# start.sh PORT: a Jupyter server on this port of 127.0.0.1, with the jupyter of PATH. It writes to the working folder.
here=$(cd "$(dirname "$0")" && pwd)
export HOME="$PWD" JUPYTER_CONFIG_DIR="$PWD/config" JUPYTER_DATA_DIR="$PWD/data" JUPYTER_RUNTIME_DIR="$PWD/runtime"
export IPYTHONDIR="$PWD/ipython" PYTHONPATH="$here:$here/../agent"
mkdir -p ipython/profile_default
echo 'c.InteractiveShellApp.extensions = ["agent_magic"]' > ipython/profile_default/ipython_kernel_config.py
exec jupyter server --config "$here/jupyter_server_config.py" --ip 127.0.0.1 --port "$1" --no-browser --allow-root \
    --ServerApp.root_dir="$PWD"
