// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Package realnode makes this machine a node of a local cluster: kubelet,
// containerd and kube-proxy run here, pods really run, and cluster IPs answer
// from the host.
//
// It needs root and a few programs of the distribution; Preflight says which.
// The service rules of kube-proxy belong to the whole machine, so a machine is
// the node of at most one cluster at a time.
//
// # What is left behind
//
// Nothing. Everything that the programs mount lies in a mount namespace of
// their own, which ends with the last of them; every process of a pod is in one
// control group, by which it is found whatever became of containerd; and what
// belongs to the machine as a whole (the bridge, service rules, kernel
// settings) is written down in /run before it is changed.
package realnode
