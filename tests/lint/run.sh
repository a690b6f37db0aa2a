#!/usr/bin/env bash
# Lints what ships the program: Dockerfile, workflows, compose file, manifests, unit file, shell scripts.
# The linters are pinned Python wheels, installed once; after that nothing is fetched.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=target/lint
wanted="$(sha256sum tests/lint/requirements.txt | cut -d' ' -f1)"
if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$wanted" ]; then
    echo "lint: installing the linters"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        --requirement tests/lint/requirements.txt
    echo "$wanted" >"$venv/stamp"
fi

mapfile -t yaml < <(git ls-files -- '*.yml' '*.yaml')
mapfile -t workflows < <(git ls-files -- '.github/workflows/*')
mapfile -t scripts < <(git ls-files -- '*.sh' .ci/run)

lint() {
    echo "lint: $1"
    "${@:2}"
}

lint Dockerfile "$venv/bin/hadolint" Dockerfile
lint workflows "$venv/bin/actionlint" "${workflows[@]}"
lint "workflows' security" "$venv/bin/zizmor" --offline --pedantic --quiet --no-progress "${workflows[@]}"
lint YAML "$venv/bin/yamllint" --strict --config-file tests/lint/yamllint.yml "${yaml[@]}"
lint compose.yaml "$venv/bin/check-jsonschema" --quiet --builtin-schema vendor.compose-spec compose.yaml
lint "Kubernetes manifests" "$venv/bin/kubernetes-validate" --kubernetes-version 1.33 --strict --quiet deploy/kubernetes/*.yaml
for script in "${scripts[@]}"; do
    bash -n "$script"
done
# These two are not wheels; where the machine has them, they look too.
if command -v shellcheck >/dev/null; then
    lint scripts shellcheck --severity=warning "${scripts[@]}"
fi
if command -v systemd-analyze >/dev/null; then
    # A copy whose program exists on every machine, and without looking for the manual pages.
    unit="$(mktemp -d)"
    trap 'rm -rf "$unit"' EXIT
    sed 's#/usr/local/bin/mergecast#/bin/true#' deploy/systemd/mergecast.service >"$unit/mergecast.service"
    lint "unit file" systemd-analyze verify --man=no "$unit/mergecast.service"
fi
echo "lint: clean"
