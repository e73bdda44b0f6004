// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package image makes container images of Go programs, without a registry, a
// base image or a container engine: a static program needs nothing else.
//
// The result is an archive in the form of `docker save`, which every container
// runtime imports.
package image
