# make test is the gate: it installs what it needs, then checks everything. See CONTRIBUTING.md.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
.NOTPARALLEL:

# cargo puts the tools it installs there.
export PATH := $(HOME)/.cargo/bin:$(PATH)

NEXTEST_VERSION := 0.9.143

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

# The browser's tests come before nextest, so that nextest's summary stands last.
.PHONY: test
test: tools contracts fmt clippy doc browser-test nextest ## The whole gate; installs what is missing

.PHONY: tools
tools:
	@echo "== tools: git, node, npm, chromium, cargo-nextest"
	tests/tools.sh $(NEXTEST_VERSION)

.PHONY: contracts
contracts: ## Fetch and trim GitHub's published documents
	@echo "== contracts: GitHub's published documents, pinned"
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

.PHONY: browser-test
browser-test: tools ## The demo's pages in a real browser
	@echo "== browser"
	cargo build --locked --bin mergecast
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
