#!/usr/bin/env bash
# Brings GitHub's and Datadog's published documents (pinned npm and PyPI packages) and trims them into out/. Does nothing
# when out/ is current.
set -euo pipefail
cd "$(dirname "$0")"

current="$(cat package-lock.json wanted.json ./*requirements.txt ./*.mjs fetch.sh | sha256sum | cut -d' ' -f1)"
if [ -f out/stamp ] && [ "$(cat out/stamp)" = "$current" ]; then
    echo "contracts: current"
    exit 0
fi

# 440 MB of other GitHub versions that nothing reads again, and 100 MB of Python; caches keep the downloads.
trap 'rm -rf node_modules datadog' EXIT

echo "contracts: fetching GitHub's published documents"
npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel=error

echo "contracts: fetching Datadog's published documents"
rm -rf datadog
python3 -m venv datadog/venv
pip=(datadog/venv/bin/pip --quiet --disable-pip-version-check)
"${pip[@]}" install --require-hashes --only-binary :all: --requirement build-requirements.txt
# Without isolation nothing is built with other than what is pinned above.
"${pip[@]}" download --require-hashes --no-deps --no-binary :all: --no-build-isolation --dest datadog \
    --requirement requirements.txt
tar --extract --gzip --file datadog/*.tar.gz --directory datadog --strip-components 1 --wildcards \
    '*/.generator/schemas/*/openapi.yaml' '*/tests/v1/cassettes/*.yaml' '*/tests/v2/cassettes/*.yaml' \
    '*/tests/cassettes/test_retry/*.yaml'

node trim-github.mjs
node trim-datadog.mjs
echo "$current" >out/stamp
