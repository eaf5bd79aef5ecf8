#!/bin/bash
# LIVE_MODEL_URL: where `greenlight model` serves, up to /v1. LIVE_SECRET: what tokens are signed with.
cd "$(dirname "$0")"
exec venv/bin/uvicorn app:app --host 127.0.0.1 --port "${PORT:-18762}" > server.log 2>&1
