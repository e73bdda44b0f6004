// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package platform runs the Package Manager and one Class Runtime Manager for
// each cluster as processes beside local clusters, wired as in production: the
// Package Manager is registered as an aggregated API, each program has the
// identity and the rights that its manifests give it, and the link between them
// is mutually authenticated TLS.
package platform
