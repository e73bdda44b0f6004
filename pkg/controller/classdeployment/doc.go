// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package classdeployment brings ClassDeployments to the clusters: it plans,
// notes the planned units in the status, sends each unit to its cluster, follows
// the clusters' records into the status, and on deletion removes the finalizer
// once every cluster has confirmed that its unit is gone.
//
// A reconcile decides from what is known and never waits for a cluster; the
// calls are the dispatcher's, whose outcomes lead to the next reconcile.
package classdeployment
