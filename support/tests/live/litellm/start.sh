#!/bin/bash
# LIVE_MODEL_URL: where `greenlight model` serves, up to /v1. LIVE_SECRET: what tokens are signed with.
cd "$(dirname "$0")"
export LITELLM_MASTER_KEY=sk-$(head -c 24 /dev/urandom | base64 | tr -d "+/=")
export LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_TELEMETRY=False PYTHONPATH=$PWD
exec venv/bin/litellm --config config.yaml --host 127.0.0.1 --port "${PORT:-18763}" > server.log 2>&1
