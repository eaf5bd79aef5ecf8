#!/bin/sh
# start.sh PORT: AgentOS on this port of 127.0.0.1, with the uvicorn of PATH. It writes to the working folder.
# LIVE_MODEL_URL: where `greenlight model` serves, up to /v1.
export HOME="$PWD" AGNO_TELEMETRY=false
exec uvicorn --app-dir "$(dirname "$0")" app:app --host 127.0.0.1 --port "$1"
