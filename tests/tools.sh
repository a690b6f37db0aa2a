#!/usr/bin/env bash
# Installs on Debian what the gate needs and is not there yet. Asks no network when nothing is missing.
# Usage: tests/tools.sh NEXTEST_VERSION
set -euo pipefail

nextest_version="$1"

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

if ! command -v cargo >/dev/null; then
    echo "cargo is not on the PATH"
    echo "hint: install Rust with rustup first"
    exit 1
fi

missing=()
command -v git >/dev/null || missing+=(git)
command -v cc >/dev/null || missing+=(build-essential)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
[ -x /usr/bin/chromium ] || missing+=(chromium)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)

if [ "${#missing[@]}" -gt 0 ]; then
    echo "installing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    as_root apt-get update -q
    as_root apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

if ! cargo nextest --version >/dev/null 2>&1; then
    echo "installing: cargo-nextest $nextest_version (built from source, several minutes)"
    cargo install --locked --version "$nextest_version" cargo-nextest
fi
echo "tools: present"
