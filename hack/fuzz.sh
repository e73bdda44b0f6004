#!/usr/bin/env bash

# Copyright The OaaS Authors.
# SPDX-License-Identifier: Apache-2.0

# Fuzzes every Fuzz function of the module, each for the given time (default 30s).

set -o errexit
set -o nounset
set -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

time="${1:-30s}"
grep --recursive --include='*_test.go' --only-matching --no-filename --extended-regexp '^func Fuzz[A-Za-z0-9_]+' pkg \
    > /dev/null || { echo "there is nothing to fuzz"; exit 1; }
grep --recursive --include='*_test.go' --only-matching --extended-regexp '^func Fuzz[A-Za-z0-9_]+' pkg \
    | while IFS=: read -r file function; do
        name="${function#func }"
        echo "fuzzing ${name} in $(dirname "${file}") for ${time}"
        # Making one slow input smaller would take a minute unless it is bounded, in which
        # nothing new is tried.
        go test -run '^$' -fuzz "^${name}\$" -fuzztime "${time}" -fuzzminimizetime 200x "./$(dirname "${file}")"
    done
