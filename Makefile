# make test is the gate: it installs what it needs, then checks everything. See CONTRIBUTING.md.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
.NOTPARALLEL:

# cargo puts the tools it installs there.
export PATH := $(HOME)/.cargo/bin:$(PATH)

NEXTEST_VERSION := 0.9.143
DENY_VERSION := 0.20.2
FUZZ_VERSION := 0.13.2

# Seconds that `make fuzz` gives each target, and which checks `make deny` makes.
SECONDS := 60
STREAMS :=
CHECKS := bans licenses sources

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

# The browser's tests come before nextest, so that nextest's summary stands last.
.PHONY: test
test: tools contracts fmt clippy doc lint-deploy browser-test nextest ## The whole gate; installs what is missing

.PHONY: tools
tools:
	@echo "== tools: git, node, npm, chromium, cargo-nextest"
	tests/tools.sh $(NEXTEST_VERSION)

.PHONY: contracts
contracts: ## Fetch and trim what GitHub and Datadog publish
	@echo "== contracts: what GitHub and Datadog publish, pinned"
	tests/contracts/fetch.sh

.PHONY: fmt
fmt: ## Formatting
	@echo "== format"
	cargo fmt --check

.PHONY: clippy
clippy: ## Lints, warnings denied
	@echo "== clippy"
	cargo clippy --all-targets --locked -- -D warnings

.PHONY: doc
doc: ## Documentation builds without warnings
	@echo "== documentation"
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked

.PHONY: lint-deploy
lint-deploy: tools ## Dockerfile, workflows, compose file, manifests, unit file
	@echo "== what ships it"
	tests/lint/run.sh

.PHONY: browser-test
browser-test: tools ## The demo's pages in a real browser
	@echo "== browser"
	# With the tests, whose dependencies have more features: alone, half of them would be built twice.
	cargo build --locked --bin mergecast --tests
	tests/browser/run.sh

.PHONY: picture
picture: tools ## Make the README's pictures of a check run anew
	@echo "== picture"
	cargo build --locked --bin mergecast
	tests/browser/picture.sh

.PHONY: nextest
nextest: tools contracts ## All Rust tests, contracts insisted upon
	@echo "== tests"
	MERGECAST_CONTRACTS=required cargo nextest run --locked

.PHONY: deny
deny: ## Licences, bans and sources of dependencies, by cargo-deny
	@echo "== dependencies"
	cargo deny --version 2>/dev/null | grep -q ' $(DENY_VERSION)$$' || cargo install --locked --version $(DENY_VERSION) cargo-deny
	cargo deny --locked check $(CHECKS)

# STREAMS is the folder with the histories that docs/accuracy.md names. No part of the gate: they are no part of the repository.
.PHONY: refit
refit: ## Fit the shipped model again from the histories in STREAMS=dir and compare
	@echo "== refit"
	[ -n "$(STREAMS)" ] || { echo "hint: make refit STREAMS=the folder with *.changes.jsonl.gz" >&2; exit 2; }
	version=$$(sed -n 's/^  "version": "\(.*\)",$$/\1/p' src/risk/baseline.json)
	cargo build --release --locked --bin mergecast
	target/release/mergecast calibrate --name "$$version" --fit "$(STREAMS)"/*.changes.jsonl.gz > target/refit.json
	cmp target/refit.json src/risk/baseline.json
	echo "target/refit.json is src/risk/baseline.json, byte for byte"

# libFuzzer's instrumentation wants switches that a stable compiler takes only so. No sanitizer: the crate forbids unsafe
# code, and without one there are several times as many tries.
.PHONY: fuzz
fuzz: ## New inputs for the fuzz targets, SECONDS=60 each
	@echo "== fuzz, $(SECONDS) s each"
	cargo fuzz --version 2>/dev/null | grep -q ' $(FUZZ_VERSION)$$' || cargo install --locked --version $(FUZZ_VERSION) cargo-fuzz
	# The crate's own versions of everything.
	cp Cargo.lock fuzz/Cargo.lock
	export RUSTC_BOOTSTRAP=1
	for target in $$(cargo fuzz list); do
	    mkdir -p target/fuzz/$$target
	    cargo fuzz run --sanitizer none $$target target/fuzz/$$target fuzz/corpus/$$target -- \
	        -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
	done
