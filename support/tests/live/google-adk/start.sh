#!/bin/sh
# start.sh PORT: ADK's app on this port of 127.0.0.1, with the uvicorn of PATH. It writes to the working folder.
here=$(cd "$(dirname "$0")" && pwd)
export HOME="$PWD" ADK_DISABLE_TELEMETRY=1 LIVE_RULES="$here/../agent"
exec uvicorn --app-dir "$here" app:app --host 127.0.0.1 --port "$1"
