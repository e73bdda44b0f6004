// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package integration applies planned data grids to a real API server, where real
// controllers make the pods of their nodes.
package integration
