// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package templates holds the built-in DeploymentTemplates.
package templates

import "embed"

// Files are the templates, one YAML document a file, each named after its template.
//
//go:embed *.yaml
var Files embed.FS
