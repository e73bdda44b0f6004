// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// +k8s:openapi-gen=true
// +k8s:openapi-model-package=io.oaas.oaas.pkg.apis.pm.v1alpha1
// +k8s:deepcopy-gen=package
// +k8s:conversion-gen=oaas.io/oaas/pkg/apis/pm
// +k8s:defaulter-gen=TypeMeta
// +k8s:protobuf-gen=package
// +k8s:validation-gen=TypesWithField=TypeMeta
// +groupName=pm.oaas.io

// Package v1alpha1 is the public form of the Package Manager's API: what a
// developer publishes (Package), what they ask to run (ClassDeployment) and
// where it can run (Cluster).
package v1alpha1
