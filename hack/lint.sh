#!/usr/bin/env bash

# Copyright The OaaS Authors.
# SPDX-License-Identifier: Apache-2.0

# Runs the linters of .golangci.yml. Arguments go to `golangci-lint run`: packages
# to look at (./... if there are none) and flags such as --fix.

set -o errexit
set -o nounset
set -o pipefail

REPO_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
readonly REPO_ROOT
cd "${REPO_ROOT}"

# shellcheck source=hack/lib/tools.sh
source hack/lib/tools.sh

LINT_BIN="$(tools::build lint)"
exec "${LINT_BIN}/golangci-lint" run "${@:-./...}"
