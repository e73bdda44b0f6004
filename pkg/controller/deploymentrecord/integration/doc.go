// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package integration holds tests of the reconciler of deployment records against a
// real API server, with real garbage collection and simulated pods.
package integration
