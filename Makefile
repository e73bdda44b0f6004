# Copyright The OaaS Authors.
# SPDX-License-Identifier: Apache-2.0

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION ?= v0.1.0
LDFLAGS := -s -w -X oaas.io/oaas/pkg/version.version=$(VERSION)
# Static, as images need it; and the same for tests, linters and images, so that all
# share what the Go tool caches.
export CGO_ENABLED := 0
GO_BUILD := go build -ldflags "$(LDFLAGS)"
# What and how much `make bench-api` measures, such as -parts lists -packages 300.
BENCH_API_FLAGS ?=
# How many records `make bench-crm` measures with, such as -records 100,1000.
BENCH_CRM_FLAGS ?=
# How long a package's tests may take, the cold build of Kubernetes included.
TEST_TIMEOUT ?= 40m

##@ Try it

.PHONY: demo
demo: ## Start Kubernetes and the platform on this machine, deploy an example and show it
	go run ./hack/demo up

.PHONY: demo-down
demo-down: ## Stop the demo and remove everything it made
	go run ./hack/demo down

##@ Build and check

.PHONY: build
build: ## Build the three programs into bin/
	$(GO_BUILD) -o bin/ ./cmd/apiserver ./cmd/crm ./cmd/kubectl-oaas

.PHONY: build-race
build-race: ## Build the three programs with the race detector into bin/race
	CGO_ENABLED=1 $(GO_BUILD) -race -o bin/race/ ./cmd/apiserver ./cmd/crm ./cmd/kubectl-oaas

.PHONY: images
images: ## Build the images of the platform as archives into bin/images
	go run ./hack/localcluster images --output bin/images

.PHONY: krew
krew: ## Pack the plugin for krew into bin/krew, for the platforms in PLATFORMS (default: this one)
	VERSION=$(VERSION) hack/krew.sh $(PLATFORMS)

.PHONY: test
test: build ## Run the unit, integration and plugin tests on a real API server (builds Kubernetes once)
	go run ./hack/localcluster build
	go test -timeout $(TEST_TIMEOUT) -p 2 ./...

.PHONY: race
race: ## Run the tests, and the programs that they start, with the race detector
	go run ./hack/localcluster build
	CGO_ENABLED=1 OAAS_RACE_TIME=30s go test -race -timeout $(TEST_TIMEOUT) -p 1 ./pkg/... ./test/integration/... ./test/harm/...

.PHONY: e2e
e2e: build ## Run the tests that need a real node (root and containerd; says so where they cannot run)
	go run ./hack/localcluster build --node real
	# One package at a time: a machine can be one real node only.
	go test -timeout $(TEST_TIMEOUT) -count=1 -p 1 -tags e2e -v ./hack/localcluster/realnode/... ./test/e2e/...

.PHONY: fuzz
fuzz: ## Fuzz every decoder for FUZZTIME (default 30s) each
	hack/fuzz.sh $(or $(FUZZTIME),30s)

.PHONY: generate
generate: ## Regenerate code, CRDs and protocol files
	hack/generate.sh

.PHONY: verify
verify: ## Fail when generated code, formatting, modules or license headers are not in order
	hack/verify.sh

.PHONY: lint
lint: ## Run the linters
	hack/lint.sh

##@ Measure

.PHONY: bench
bench: bench-api bench-crm ## Run every benchmark

.PHONY: bench-api
bench-api: build ## Measure the aggregated API beside a CRD and sample-apiserver, and time to Available
	go run ./hack/localcluster build
	go run ./test/bench/api $(BENCH_API_FLAGS)

.PHONY: bench-crm
bench-crm: build ## Measure the runtime manager beside the same objects made directly, at work and at rest
	go run ./hack/localcluster build
	go run ./test/bench/crm $(BENCH_CRM_FLAGS)

##@ Help

.PHONY: help
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
