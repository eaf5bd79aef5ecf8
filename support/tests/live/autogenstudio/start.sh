#!/bin/sh
# start.sh PORT: AutoGen Studio on this port of 127.0.0.1, with the autogenstudio of PATH. It writes to the working folder.
here=$(cd "$(dirname "$0")" && pwd)
export HOME="$PWD"
sed "s|local-test-secret-0123456789abcdef-0123|$LIVE_SECRET|" "$here/auth.yaml" > auth.yaml
exec autogenstudio ui --host 127.0.0.1 --port "$1" --appdir "$PWD/app" --auth-config "$PWD/auth.yaml"
