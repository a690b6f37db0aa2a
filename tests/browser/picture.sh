#!/usr/bin/env bash
# Makes the README's pictures anew from the demo and shrinks them. Installs on Debian what is not there yet.
set -euo pipefail
cd "$(dirname "$0")"

if ! command -v pngquant >/dev/null || ! fc-list 2>/dev/null | grep Liberation >/dev/null; then
    root=()
    [ "$(id -u)" = 0 ] || root=(sudo)
    "${root[@]}" apt-get update -q
    "${root[@]}" apt-get install -y -q --no-install-recommends pngquant fontconfig fonts-liberation
fi
./packages.sh
node picture.mjs
for picture in ../../docs/check-run.png ../../docs/check-run-dark.png; do
    pngquant --force --strip --output "$picture" 64 -- "$picture"
done
