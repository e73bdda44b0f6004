#!/usr/bin/env bash

# Copyright The OaaS Authors.
# SPDX-License-Identifier: Apache-2.0

# Regenerates everything that is generated: deep copies, defaults, conversions,
# declarative validation, OpenAPI, protobuf, clients, informers, listers and
# apply configurations of the API types, the CRDs, the gRPC code, and the page of
# documentation of all of them. The result
# depends on the sources and on hack/tools alone; running it twice changes
# nothing. Needs Go and the module proxy, no other program.

set -o errexit
set -o nounset
set -o pipefail

REPO_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
readonly REPO_ROOT
cd "${REPO_ROOT}"

# shellcheck source=hack/lib/tools.sh
source hack/lib/tools.sh

readonly MODULE="oaas.io/oaas"
readonly BOILERPLATE="${REPO_ROOT}/hack/boilerplate.go.txt"

# Sorting and messages must not depend on the user's locale.
export LC_ALL=C

WORK_DIR="$(mktemp -d)"
readonly WORK_DIR
trap 'rm -rf "${WORK_DIR}"' EXIT
export TMPDIR="${WORK_DIR}"

# module_dir MODULE prints where a module that hack/tools/codegen requires is.
module_dir() {
    (
        cd "${REPO_ROOT}/hack/tools/codegen"
        go mod download "$1"
        go list -m -f '{{.Dir}}' "$1"
    )
}

# root_module_dir MODULE prints where a module that the product requires is.
root_module_dir() {
    go mod download "$1"
    go list -m -f '{{.Dir}}' "$1"
}

# use_kube_codegen defines the functions of k8s.io/code-generator's
# kube_codegen.sh. They install their generators with the checksums of another
# module, into the user's GOBIN, on each call; ours are built already, so their
# `go install` becomes a no-op and everything else goes to the real go.
use_kube_codegen() {
    # shellcheck disable=SC1091 # lives in the module cache
    source "$(module_dir k8s.io/code-generator)/kube_codegen.sh"
    # shellcheck disable=SC2031 # where the tools are built, it was set for a subshell
    export GOBIN="${CODEGEN_BIN}"
    go() {
        if [[ "$1" == install ]]; then
            return 0
        fi
        command go "$@"
    }
}

generate_helpers() {
    kube::codegen::gen_helpers --boilerplate "${BOILERPLATE}" pkg/apis
}

# generate_protobuf writes generated.proto and generated.pb.go beside the
# aggregated types and keeps their field numbers in the types' struct tags, which
# is what makes the numbers stable: a field keeps its number, a new one takes the
# next.
#
# go-to-protobuf looks for packages in folders named by import path, which a
# module cache (name@version) is not, so it gets a tree of links.
generate_protobuf() {
    local package="${MODULE}/pkg/apis/pm/v1alpha1"
    local tree="${WORK_DIR}/src"
    echo "Generating protobuf code for ${package}"
    mkdir -p "${tree}/$(dirname "${MODULE}")" "${tree}/k8s.io" "${tree}/github.com/gogo"
    ln -s "${REPO_ROOT}" "${tree}/${MODULE}"
    ln -s "$(root_module_dir k8s.io/apimachinery)" "${tree}/k8s.io/apimachinery"
    ln -s "$(module_dir github.com/gogo/protobuf)" "${tree}/github.com/gogo/protobuf"

    # A leading - makes the types known without generating anything for them.
    local imported=(
        -k8s.io/apimachinery/pkg/util/intstr
        -k8s.io/apimachinery/pkg/api/resource
        -k8s.io/apimachinery/pkg/runtime/schema
        -k8s.io/apimachinery/pkg/runtime
        -k8s.io/apimachinery/pkg/apis/meta/v1
    )
    go-to-protobuf \
        --go-header-file "${BOILERPLATE}" \
        --apimachinery-packages "$(IFS=,; echo "${imported[*]}")" \
        --packages "${package}" \
        --output-dir "${tree}" \
        --proto-import "${tree}"
}

# generate_openapi also checks the API conventions. What breaks them is listed in
# hack/api-violations.list (all of it in k8s.io/apimachinery), and anything new
# fails; UPDATE_API_VIOLATIONS=true rewrites the list.
generate_openapi() {
    kube::codegen::gen_openapi \
        --output-dir pkg/generated/openapi \
        --output-pkg "${MODULE}/pkg/generated/openapi" \
        --output-model-name-file zz_generated.model_name.go \
        --extra-pkgs k8s.io/api/autoscaling/v1 \
        --report-filename hack/api-violations.list \
        ${UPDATE_API_VIOLATIONS:+--update-report} \
        --boilerplate "${BOILERPLATE}" \
        pkg/apis
}

generate_clients() {
    local schema="${WORK_DIR}/models-schema.json"
    mkdir -p pkg/generated/{applyconfiguration,clientset,informers,listers}
    go run ./hack/models-schema > "${schema}"
    kube::codegen::gen_client \
        --with-watch \
        --with-applyconfig \
        --applyconfig-openapi-schema "${schema}" \
        --prefers-protobuf \
        --output-dir pkg/generated \
        --output-pkg "${MODULE}/pkg/generated" \
        --boilerplate "${BOILERPLATE}" \
        pkg/apis
}

# generate_crds writes the CRDs of the oaas.io types and their deep copies, both
# from the same kubebuilder markers. It comes after generate_helpers, which first
# removes every deep copy below pkg/apis.
generate_crds() {
    echo "Generating CRDs"
    mkdir -p artifacts/crds
    rm -f artifacts/crds/oaas.io_*.yaml
    controller-gen object:headerFile="${BOILERPLATE}" paths=./pkg/apis/oaas/...
    controller-gen \
        crd:headerFile="${WORK_DIR}/boilerplate.yaml.txt" \
        paths=./pkg/apis/oaas/... \
        output:crd:artifacts:config=artifacts/crds
    bound_quantities artifacts/crds/oaas.io_*.yaml
}

# bound_quantities keeps from being stored what takes forever to read: the API server
# checks quantities of custom resources by their pattern alone, which as generated
# takes 1e-2147483640, and whoever decodes that computes for hours.
bound_quantities() {
    local digits='[0-9]{1,64}' any='([0-9]+(\.[0-9]*)?)|(\.[0-9]+)'
    local bounded="(${digits}(\.[0-9]{0,64})?)|(\.${digits})" file
    for file in "$@"; do
        ANY="(${any})" BOUNDED="(${bounded})" awk '
            / pattern: .*\[KMGTPE\]i/ {
                # The number, and behind an e a whole one.
                before = ENVIRON["ANY"]; at = index($0, before)
                $0 = substr($0, 1, at - 1) ENVIRON["BOUNDED"] substr($0, at + length(before))
                at = index($0, before)
                $0 = substr($0, 1, at - 1) "[0-9]{1,2}" substr($0, at + length(before))
            }
            { print }' "${file}" > "${WORK_DIR}/bounded.yaml"
        cp "${WORK_DIR}/bounded.yaml" "${file}"
    done
}

generate_grpc() {
    echo "Generating gRPC code"
    export BUF_CACHE_DIR="${WORK_DIR}/buf"
    rm -rf third_party/googleapis
    googleapis third_party/googleapis
    buf lint
    rm -rf pkg/generated/grpc
    buf generate
}

main() {
    CODEGEN_BIN="$(tools::build codegen)"
    PROTO_BIN="$(tools::build proto)"
    # gofmt, which the generators run, comes with Go.
    PATH="${PROTO_BIN}:${CODEGEN_BIN}:$(go env GOROOT)/bin:${PATH}"
    export PATH
    sed 's|^//|#|' "${BOILERPLATE}" > "${WORK_DIR}/boilerplate.yaml.txt"

    use_kube_codegen
    generate_grpc
    generate_helpers
    generate_crds
    generate_protobuf
    generate_openapi
    generate_clients
    echo "Generating docs/api.md"
    go run ./hack/apidocs docs/api.md
}

main "$@"
