// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package e2e tests an installation from the outside: the programs run as pods
// of a real node where this machine can be one, and on several clusters at once.
// Its tests need the build tag e2e; make e2e runs them.
package e2e
