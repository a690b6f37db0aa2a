#!/usr/bin/env bash
# Brings the pinned packages if they are not there.
set -euo pipefail
cd "$(dirname "$0")"

current="$(sha256sum <package-lock.json)"
if [ "$(cat node_modules/.stamp 2>/dev/null)" != "$current" ]; then
    echo "browser: fetching playwright-core and axe-core"
    npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel=error
    echo "$current" >node_modules/.stamp
fi
