#!/bin/sh
# start.sh PORT: the graph on this port of 127.0.0.1, with the langgraph of PATH. It runs in the working folder.
here=$(cd "$(dirname "$0")" && pwd)
export LANGSMITH_TRACING=false LANGGRAPH_CLI_NO_ANALYTICS=1 BG_JOB_ISOLATED_LOOPS=false
cp "$here"/../agent/rules.py "$here"/graph.py "$here"/auth.py "$here"/langgraph.json .
exec langgraph dev --host 127.0.0.1 --port "$1" --no-browser --no-reload --n-jobs-per-worker 20
