# What is done often. `make` alone lists it.

.PHONY: help build test lint doc bench deny test-plugins test-chart test-alerts values test-cluster test-browser test-node record measure image release

# The tag that the chart asks for, unless image.tag says otherwise.
IMAGE ?= multinic:$(shell sed -n 's/^appVersion: //p' charts/multinic/Chart.yaml)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

build: ## the program, as it ships: target/release/multinic
	cargo build --release --locked

test: ## the tests that need nothing but cargo
	cargo test --locked

lint: ## formatting, clippy and rustdoc, as .ci/run does it
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --test chart --test node -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

doc: ## the documentation of the crate, with a page for each rule: target/doc/multinic
	cargo doc --no-deps

bench: ## what a decision costs, and the whole server under load on loopback (needs h2load)
	@command -v h2load >/dev/null || { echo "h2load is missing: on Debian it is in nghttp2-client" >&2; exit 1; }
	cargo bench --locked --bench decision
	cargo bench --locked --bench usage
	tests/load/run.sh

deny: ## licences, advisories and sources of the dependencies (needs cargo-deny)
	cargo deny check

test-plugins: ## configurations run through the real CNI plugins (needs root and Go)
	cargo test --locked --test plugins

test-chart: ## what the chart renders, and that its documents are true (needs Go, for helm)
	cargo test --locked --test chart

values: ## the table of values in charts/multinic/README.md, from values.yaml
	WRITE_VALUES=1 cargo test --locked --test chart the_table_in_the_readme

test-alerts: ## when each alert of the chart fires (needs promtool: on Debian it is in prometheus)
	promtool check rules charts/multinic/files/alerts.yaml
	promtool test rules tests/chart/alerts.test.yaml

test-cluster: ## the scenarios on a real control plane (needs Go, or KUBEBUILDER_ASSETS)
	cargo test --locked --test cluster

test-browser: ## the page of `multinic map` (needs Chromium)
	cargo test --locked --test browser

test-node: ## the chart and Pods with networks on real nodes (needs root, Go, and what is needed to build the image)
	cargo test --locked --test node

record: ## record the reviews under tests/ again, from that control plane
	cargo test --locked --test cluster -- record tests/reviews/recorded

measure: ## Pod creations with no webhook, with a constant answer and with multinic, in one run
	cargo test --locked --release --test cluster -- measure

# The same commit gives the same image and the same files (docs/release.md).
REVISION = $(shell git rev-parse HEAD)
EPOCH = $(shell git log -1 --format=%ct)

image: ## the container image, as IMAGE=NAME:TAG (multinic:VERSION, which the chart asks for)
	docker buildx build --build-arg MULTINIC_REVISION=$(REVISION) --build-arg SOURCE_DATE_EPOCH=$(EPOCH) \
		--output type=docker,name=$(IMAGE),rewrite-timestamp=true .

release: ## the files of a release, with their checksums: target/dist
	MULTINIC_REVISION=$(REVISION) SOURCE_DATE_EPOCH=$(EPOCH) release/files
