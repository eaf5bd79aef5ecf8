#!/bin/bash
cd "$(dirname "$0")"
export MODEL_URL=${MODEL_URL:-http://127.0.0.1:18790/v1}
export LITELLM_MASTER_KEY=sk-$(head -c 24 /dev/urandom | base64 | tr -d "+/=")
export LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_TELEMETRY=False PYTHONPATH=$PWD
exec venv/bin/litellm --config config.yaml --host 127.0.0.1 --port "${PORT:-18763}" > server.log 2>&1
