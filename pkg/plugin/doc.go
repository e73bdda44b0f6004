// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package plugin holds the commands of kubectl oaas: deploy, status, delete and
// version.
//
// Each command is an Options type with Complete (flags and clients), Validate
// (what can be told without a server) and Run. What a state means and how it is
// shown are pure functions: Assess, and those that write to an io.Writer.
package plugin
