// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cluster keeps the links to the clusters and their status: it makes a
// link for each Cluster, asks the cluster's Class Runtime Manager how it is
// doing at an interval and whenever the link changes, and writes what it hears.
package cluster
