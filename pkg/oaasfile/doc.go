// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package oaasfile reads the files that describe OaaS packages.
//
// A file holds one or more YAML documents (JSON is YAML). A document with
// apiVersion or kind is a Kubernetes manifest and is passed on as it is. Any
// other document is in the plain form: snake_case, one package a document.
//
// Rules of the plain form:
//
//   - A string field takes the source text of whatever scalar stands there, so
//     `version: 1.0` is "1.0" and `HTTP_PORT: 0x10` is "0x10".
//   - A null value is a missing one.
//   - Enumerations ignore case, underscores and dashes.
//   - A document without classes and functions, but with deployments, yields the
//     ClassDeployments alone, so that it never empties a published package.
//   - The name of a package and package_name must be DNS-1123 labels.
//   - A deployment's key becomes the name of its ClassDeployment, see
//     DeploymentName; the key itself is kept in the annotation KeyAnnotation.
//   - cpu_utilization_target up to 1 is a fraction, above it a percentage.
//   - A function that names a wasm_module_url, no container_image and no
//     function_type is a Wasm function.
//
// Fields that the form does not know are reported as warnings, or as errors
// with Options.Strict. The older camelCase form is recognised and refused.
package oaasfile
