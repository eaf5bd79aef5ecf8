#!/bin/sh
# start.sh PORT: the app of the folder google-adk, which is asked by HTTP here.
exec sh "$(dirname "$0")/../google-adk/start.sh" "$1"
