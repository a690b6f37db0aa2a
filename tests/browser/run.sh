#!/usr/bin/env bash
# Brings the pinned packages if they are not there, proves that the checks bite, then checks the demo's pages.
set -euo pipefail
cd "$(dirname "$0")"

./packages.sh
node selftest.mjs
node demo.mjs
