#!/usr/bin/env bash
# Packs a built release: binary, manual pages, completions, unit file, documentation.
# Usage: deploy/archive.sh TARGET DIRECTORY
set -euo pipefail
cd "$(dirname "$0")/.."

target="$1"
directory="$2"
binary="target/$target/release/mergecast"
version="$("$binary" --version | cut -d' ' -f2)"
name="mergecast-$version-$target"

staging="$(mktemp -d)"
trap 'rm -rf "$staging"' EXIT
mkdir -p "$staging/$name/completions" "$directory"
install -m 755 "$binary" "$staging/$name/mergecast"
"$binary" man --dir "$staging/$name/man"
for shell in bash zsh fish; do
    "$binary" completions "$shell" >"$staging/$name/completions/mergecast.$shell"
done
cp -r README.md CHANGELOG.md LICENSE docs deploy/systemd/mergecast.service "$staging/$name/"
# The same input gives the same bytes: names sorted, nobody's user, the time of the commit.
tar --create --directory "$staging" --sort=name --owner=0 --group=0 --numeric-owner \
    --mtime="@$(git log -1 --format=%ct)" "$name" | gzip --no-name >"$directory/$name.tar.gz"
echo "$directory/$name.tar.gz"
