#!/bin/sh
# start.sh PORT: the app on this port of 127.0.0.1, with the chainlit of PATH. What it writes goes to the working folder.
here=$(cd "$(dirname "$0")" && pwd)
export CHAINLIT_APP_ROOT="${CHAINLIT_APP_ROOT:-$PWD}"
exec chainlit run "$here/app.py" --headless --host 127.0.0.1 --port "$1"
