// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package odgm plans the object data grid of a record: its collections and how
// they are spread over nodes, the environment that a node starts from, and the
// Kubernetes objects that run it. It decides and does nothing else: the same input
// gives the same grid, byte for byte.
//
// A grid runs in one of two forms. As Sidecar a node runs beside each replica of
// each function, in the function's own StatefulSet; as Cluster it is a StatefulSet
// of its own. In both, a node's id is the ordinal of its pod, so that it survives
// the pod.
package odgm
