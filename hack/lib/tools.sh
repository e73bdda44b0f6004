# shellcheck shell=bash

# Copyright The OaaS Authors.
# SPDX-License-Identifier: Apache-2.0

# Builds the development tools. Every tool comes from one of the modules under
# hack/tools, so its version and the checksums of all that it is made of are in
# the repository. Binaries land in a cache outside the repository, keyed by what
# they were built from; GOBIN and the user's PATH stay as they are.
#
# Meant to be sourced by a script that has set REPO_ROOT.

# OAAS_CACHE_DIR is where built tools are kept. Safe to delete at any time.
OAAS_CACHE_DIR="${OAAS_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME}/.cache}/oaas}"

# Nothing here may edit a go.mod, whatever the user's settings are.
export GOFLAGS="-mod=readonly -buildvcs=false"
export GOWORK=off

# tools::build NAME builds all tools of the module hack/tools/NAME, unless they
# are in the cache, and prints the directory that holds them.
tools::build() {
    local name="$1"
    local module="${REPO_ROOT}/hack/tools/${name}"
    local digest dir staging
    digest="$(tools::digest "${module}")" || return
    dir="${OAAS_CACHE_DIR}/tools/${name}-${digest}"
    if [[ ! -d "${dir}" ]]; then
        echo "Building the tools of hack/tools/${name} (once for each version)" >&2
        mkdir -p "${OAAS_CACHE_DIR}/tools"
        staging="$(mktemp -d "${OAAS_CACHE_DIR}/tools/.${name}-XXXXXX")"
        if ! (
            # bash ignores errexit in a condition.
            cd "${module}" || exit
            export GOBIN="${staging}" CGO_ENABLED=0
            if grep -q '^tool\b' go.mod; then
                go install -trimpath tool || exit
            fi
            # Programs of our own, where the module has any.
            if [[ -n "$(find . -name '*.go' -print -quit)" ]]; then
                go install -trimpath ./...
            fi
        ) >&2; then
            rm -rf "${staging}"
            return 1
        fi
        # A rename is atomic, so a build that was interrupted is never taken for
        # a complete one; where two builds race, the first one stays.
        mv -T "${staging}" "${dir}" 2>/dev/null || rm -rf "${staging}"
    fi
    echo "${dir}"
}

# tools::digest MODULE prints a digest of the module's sources and requirements
# and of the Go version that builds them.
tools::digest() {
    (
        cd "$1" || exit
        {
            go env GOVERSION GOOS GOARCH
            find . -type f \( -name '*.go' -o -name go.mod -o -name go.sum \) ! -name '*_test.go' -print0 \
                | LC_ALL=C sort -z | xargs -0 sha256sum
        } | sha256sum | cut -c 1-16
    )
}
