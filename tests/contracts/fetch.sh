#!/usr/bin/env bash
# Brings GitHub's published documents (pinned npm packages) and trims them into out/. Does nothing when out/ is current.
set -euo pipefail
cd "$(dirname "$0")"

current="$(cat package-lock.json wanted.json trim-github.mjs | sha256sum | cut -d' ' -f1)"
if [ -f out/stamp ] && [ "$(cat out/stamp)" = "$current" ]; then
    echo "contracts: current"
    exit 0
fi

echo "contracts: fetching GitHub's published documents"
npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel=error
node trim-github.mjs
echo "$current" >out/stamp
# 440 MB of other GitHub versions that nothing reads again; npm's cache keeps the download.
rm -rf node_modules
