// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package integration holds the tests of the built-in templates against a real API
// server.
package integration
