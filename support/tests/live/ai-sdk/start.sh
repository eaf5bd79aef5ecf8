#!/bin/bash
# LIVE_MODEL_URL: where `greenlight model` serves, up to /v1. LIVE_SECRET: what tokens are signed with.
cd "$(dirname "$0")"
exec node_modules/.bin/node server.js "${PORT:-18761}" > server.log 2>&1
