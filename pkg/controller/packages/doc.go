// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package packages looks after Packages: it tells in their status whether they
// can be deployed and who uses them, keeps the ClassDeployments that a package
// lists as the package says, and undeploys a package that is deleted together
// with what runs of it.
package packages
