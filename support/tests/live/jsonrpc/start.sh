#!/bin/sh
# start.sh PORT: the server on this port of 127.0.0.1, with the python of PATH.
exec python "$(dirname "$0")/app.py" "$1"
