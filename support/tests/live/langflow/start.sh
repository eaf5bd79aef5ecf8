#!/bin/bash
# LIVE_MODEL_URL: where `greenlight model` serves, up to /v1. LIVE_PASSWORD: the password of each user.
cd "$(dirname "$0")"
rm -rf home && mkdir home
export LANGFLOW_CONFIG_DIR=$PWD/home LANGFLOW_DATABASE_URL=sqlite:///$PWD/home/langflow.db
export LANGFLOW_AUTO_LOGIN=false LANGFLOW_SUPERUSER=admin LANGFLOW_SUPERUSER_PASSWORD=$LIVE_PASSWORD
export LANGFLOW_NEW_USER_IS_ACTIVE=true LANGFLOW_LAZY_LOAD_COMPONENTS=true LANGFLOW_CREATE_STARTER_PROJECTS=false
export LANGFLOW_PRETTY_LOGS=false LANGFLOW_LOG_LEVEL=CRITICAL LANGFLOW_STORE=false LANGFLOW_RATE_LIMIT_ENABLED=false DO_NOT_TRACK=true
LANGFLOW_SECRET_KEY=$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')
export LANGFLOW_SECRET_KEY
exec venv/bin/python serve.py "${PORT:-18768}" > server.log 2>&1
