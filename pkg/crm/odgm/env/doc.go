// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package env reads the environment of a node of the data grid as strictly as the
// data grid's own program: what that program would refuse, or crash on, is an error
// here. It knows nothing of the planner that writes such environments, so that each
// checks the other.
package env
