#!/usr/bin/env bash

# Copyright The OaaS Authors.
# SPDX-License-Identifier: Apache-2.0

# Packs kubectl-oaas as krew wants it: an archive for each platform and the
# manifest with their checksums, in bin/krew. Arguments are the platforms, such as
# linux/arm64; this machine's if there are none.

set -o errexit
set -o nounset
set -o pipefail

REPO_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
readonly REPO_ROOT
cd "${REPO_ROOT}"

readonly OUT="${REPO_ROOT}/bin/krew"
VERSION="${VERSION:-v0.1.0}"

WORK_DIR="$(mktemp -d)"
readonly WORK_DIR
trap 'rm -rf "${WORK_DIR}"' EXIT

# pack builds the archive of a platform and fills its checksum in.
pack() {
    local os="${1%/*}" arch="${1#*/}" suffix="" folder archive sum
    if [[ "${os}" == windows ]]; then
        suffix=.exe
    fi
    folder="${WORK_DIR}/${os}_${arch}"
    archive="${OUT}/kubectl-oaas_${os}_${arch}.tar.gz"
    mkdir -p "${folder}"
    CGO_ENABLED=0 GOOS="${os}" GOARCH="${arch}" go build -trimpath -buildvcs=false \
        -ldflags "-s -w -X oaas.io/oaas/pkg/version.version=${VERSION}" \
        -o "${folder}/kubectl-oaas${suffix}" ./cmd/kubectl-oaas
    install -m 0755 artifacts/krew/kubectl_complete-oaas "${folder}/"
    install -m 0644 LICENSE "${folder}/"
    # The same content gives the same archive.
    tar --create --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --directory "${folder}" . \
        | gzip --no-name > "${archive}"
    sum="$(sha256sum "${archive}" | cut -d ' ' -f 1)"
    sed -i "\|/kubectl-oaas_${os}_${arch}\.tar\.gz|{n;s|sha256: .*|sha256: \"${sum}\"|}" "${OUT}/oaas.yaml"
    echo "${archive} ${sum}"
}

main() {
    local platforms=("$@") platform
    if [[ "${#platforms[@]}" == 0 ]]; then
        platforms=("$(go env GOOS)/$(go env GOARCH)")
    fi
    mkdir -p "${OUT}"
    sed "s|v0\.1\.0|${VERSION}|" artifacts/krew/oaas.yaml > "${OUT}/oaas.yaml"
    for platform in "${platforms[@]}"; do
        if ! grep -q "/kubectl-oaas_${platform%/*}_${platform#*/}\.tar\.gz" "${OUT}/oaas.yaml"; then
            echo "krew: artifacts/krew/oaas.yaml has no platform ${platform}" >&2
            return 2
        fi
        pack "${platform}"
    done
    echo "${OUT}/oaas.yaml"
}

main "$@"
