#!/usr/bin/env bash
# Builds the image and tries it, from Debian's packages alone: no Docker, no registry of images. As root, on Debian.
#
#   deploy/container/try.sh           packs target/debug/mergecast (built if it is missing): a few minutes
#   deploy/container/try.sh --whole   builds everything inside, as a release does: half an hour on two cores
#
# The base images are file systems made by debootstrap and given as build arguments. Tried is what the image promises: it
# is not root, it starts without anything but its volume, HEALTHCHECK says what /healthz says, SIGTERM ends it in time,
# git and CA certificates are there, and what it keeps is in the volume.
set -euo pipefail
cd "$(dirname "$0")/../.."

whole=no
[ "${1:-}" != --whole ] || whole=yes
release="$(. /etc/os-release && echo "$VERSION_CODENAME")"
work="${TRY_DIR:-target/container}"
mkdir -p "$work"
work="$(cd "$work" && pwd)"

say() { echo "== $*"; }
fail() {
    echo "failed: $*" >&2
    exit 1
}

missing=()
command -v buildah >/dev/null || missing+=(buildah)
command -v debootstrap >/dev/null || missing+=(debootstrap)
command -v openssl >/dev/null || missing+=(openssl)
command -v ss >/dev/null || missing+=(iproute2)
command -v ps >/dev/null || missing+=(procps)
if [ "${#missing[@]}" -gt 0 ]; then
    say "installing ${missing[*]}"
    apt-get update -q
    apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

# A store of images of our own: nothing else on the machine is touched.
images() { buildah --storage-driver vfs --root "$work/store" --runroot "$work/run" "$@"; }

# The mirror and the certificates that this machine's apt uses: a base image needs both to install packages.
mirror="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)"
base="localhost/debian:$release"
if ! images inspect --type image "$base" >/dev/null 2>&1; then
    say "base image: Debian $release by debootstrap"
    rm -rf "$work/debian"
    debootstrap --variant=minbase "$release" "$work/debian" "$mirror" >"$work/debootstrap.log"
    rm -f "$work/debian/etc/apt/sources.list"
    for place in apt/apt.conf.d apt/sources.list.d; do
        cp -rT "/etc/$place" "$work/debian/etc/$place"
    done
    [ ! -f /etc/apt/sources.list ] || cp /etc/apt/sources.list "$work/debian/etc/apt/sources.list"
    container="$(images from scratch)"
    images add --quiet "$container" "$work/debian" / >/dev/null
    images config --cmd bash "$container"
    images commit --quiet --rm "$container" "$base" >/dev/null
    rm -rf "$work/debian"
fi

build() { images build --isolation chroot --format docker --network host --quiet "$@"; }
if [ "$whole" = yes ]; then
    if ! images inspect --type image localhost/rust >/dev/null 2>&1; then
        say "build image: the same Debian with this machine's Rust"
        container="$(images from "$base")"
        images run --isolation chroot --network host "$container" -- \
            sh -c 'apt-get update && apt-get install --yes --no-install-recommends build-essential ca-certificates cmake'
        images add --quiet "$container" "$(rustc --print sysroot)" /usr/local >/dev/null
        images add --quiet "$container" "${CARGO_HOME:-$HOME/.cargo}/registry" /usr/local/cargo/registry >/dev/null
        images config --env CARGO_HOME=/usr/local/cargo "$container"
        images commit --quiet --rm "$container" localhost/rust >/dev/null
    fi
    say "image: everything built inside"
    build --build-arg BUILD_BASE=localhost/rust --build-arg RUNTIME_BASE="$base" --tag mergecast-try .
else
    [ -x target/debug/mergecast ] || cargo build --locked --bin mergecast
    say "image: target/debug/mergecast packed"
    build --target prebuilt --build-arg PREBUILT=target/debug/mergecast --build-arg RUNTIME_BASE="$base" \
        --tag mergecast-try .
fi

say "what the image says of itself"
images inspect --type image --format '{{.Docker.Config.User}} {{.Docker.Config.Entrypoint}} {{.Docker.Config.Cmd}}' \
    mergecast-try | tee "$work/config"
grep -q '^10001:10001 \[tini -- mergecast\] \[serve\]$' "$work/config" || fail "user, entry point or command"
images inspect --type image --format '{{.Docker.Config.Healthcheck.Test}}' mergecast-try | tee "$work/health"
grep -q 'mergecast health' "$work/health" || fail "HEALTHCHECK is not in the image"

container="$(images from mergecast-try)"
trap 'images rm "$container" >/dev/null 2>&1 || true' EXIT
inside() { images run --isolation chroot --network host --user 10001:10001 "$@"; }

say "tools inside, as user 10001"
inside "$container" -- sh -c 'test "$(id -u)" = 10001 && git --version && test -s /etc/ssl/certs/ca-certificates.crt'
inside "$container" -- mergecast --version
inside "$container" -- sh -c 'touch /usr/local/bin/x' 2>/dev/null && fail "the user can write outside of its directory"

say "the whole App inside: its story ends well"
inside "$container" -- tini -s -- mergecast demo --once >"$work/demo.log" 2>&1 || fail "demo --once, see $work/demo.log"
tail -n 3 "$work/demo.log"

say "serve: healthy, what it keeps in its volume, ended by SIGTERM"
port=$((20000 + RANDOM % 20000))
rm -rf "$work/data"
install --directory --owner=10001 --group=10001 --mode=0700 "$work/data"
openssl genrsa -traditional 2048 >"$work/data/key.pem" 2>/dev/null
chown 10001:10001 "$work/data/key.pem"
# GitHub is an address where nobody listens: serve has to start and be healthy all the same.
inside --volume "$work/data:/var/lib/mergecast" --env MERGECAST_LISTEN="127.0.0.1:$port" \
    --env GITHUB_APP_ID=1 --env GITHUB_WEBHOOK_SECRET=try --env GITHUB_PRIVATE_KEY_FILE=/var/lib/mergecast/key.pem \
    --env GITHUB_API_URL=http://127.0.0.1:9 "$container" -- tini -s -- mergecast serve >"$work/serve.log" 2>&1 &
running=$!
health() { inside --env MERGECAST_LISTEN="127.0.0.1:$port" "$container" -- mergecast health 2>/dev/null; }
healthy=no
for _ in $(seq 100); do
    if health; then
        healthy=yes
        break
    fi
    kill -0 "$running" 2>/dev/null || break
    sleep 0.2
done
[ "$healthy" = yes ] || fail "it never became healthy, see $work/serve.log"
[ "$(stat -c '%u %a' "$work/data/mergecast.db")" = "10001 600" ] || fail "owner or mode of the database"
# The process that listens is found by its port, and its parent, tini, gets the signal as process 1 would.
listening="$(ss --tcp --listening --numeric --processes "sport = :$port" | grep -o 'pid=[0-9]*' | head -n 1 | cut -d= -f2)"
started=$SECONDS
kill -TERM "$(ps -o ppid= -p "$listening" | tr -d ' ')"
wait "$running" || fail "it ended with $?, see $work/serve.log"
[ $((SECONDS - started)) -le 30 ] || fail "it took $((SECONDS - started)) seconds to end"
health && fail "it says that it is healthy after its end"
say "it holds what it promises"
