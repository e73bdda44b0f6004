// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package crds holds the custom resource definitions of the Class Runtime
// Manager, as they were generated from the Go types.
package crds

import "embed"

// Files are the definitions, one YAML document a file.
//
//go:embed oaas.io_*.yaml
var Files embed.FS
