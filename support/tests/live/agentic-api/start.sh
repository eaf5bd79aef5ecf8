#!/bin/bash
# LIVE_MODEL_URL: where `greenlight model` serves, up to /v1.
cd "$(dirname "$0")"
mkdir -p home
exec env HOME="$PWD/home" venv/bin/agentic-server --llm-api-base "${LIVE_MODEL_URL%/v1}" --openai-api-key any-key \
  --gateway-host 127.0.0.1 --gateway-port "${PORT:-18769}" --skip-llm-ready-check \
  --db-url "sqlite://$PWD/home/responses.db?mode=rwc" > server.log 2>&1
