// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// +kubebuilder:object:generate=true
// +groupName=oaas.io

// Package v1alpha1 holds the custom resources of the Class Runtime Manager.
package v1alpha1
