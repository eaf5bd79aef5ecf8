#!/bin/sh
# start.sh PORT: the graph of the folder langgraph, which is asked by HTTP here.
exec sh "$(dirname "$0")/../langgraph/start.sh" "$1"
