#!/bin/sh
# start.sh PORT: adk api_server on this port of 127.0.0.1, with the adk of PATH. It writes to the working folder.
here=$(cd "$(dirname "$0")" && pwd)
export HOME="$PWD" ADK_DISABLE_TELEMETRY=1 LIVE_RULES="$here/../agent"
exec adk api_server --host 127.0.0.1 --port "$1" --session_service_uri memory:// "$here/agents"
