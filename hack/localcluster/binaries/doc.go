// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package binaries provides the programs that a local cluster consists of.
//
// Each program is pinned by a nested module beside this file and built from it
// with the go command, once: the result is kept in a cache outside of the
// repository whose key is everything that the result depends on. A folder of
// ready programs named by KUBEBUILDER_ASSETS takes precedence.
package binaries
