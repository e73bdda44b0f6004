// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// +k8s:deepcopy-gen=package
// +groupName=pm.oaas.io

// Package pm is the internal form of the Package Manager's API: the hub that
// every served version converts to and from. Its shapes are documented on the
// versioned types.
package pm
