#!/bin/bash
cd "$(dirname "$0")"
exec node_modules/.bin/node server.js > server.log 2>&1
