// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"testing"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// TestASidecarGridGrowsStepByStep holds that a grid that agrees on writes is never
// changed by more than one node at a time.
func TestASidecarGridGrowsStepByStep(t *testing.T) {
	r := record(stateful)
	in := input(t, r, "statefulset", production)
	grid := rendered(t, in).Grid
	if grid == nil || grid.Nodes != 3 {
		t.Fatalf("grid = %+v, want 3 nodes", grid)
	}
	status := grid.Status()
	status.ReadyNodes = 3
	r.Status.ODGMClusterStatus = &status
	r.Status.FunctionContainerStatus = []v1alpha1.FunctionContainerStatus{{FunctionKey: "Cart.add", Replicas: 3, ReadyReplicas: 3}}
	r.Spec.ResourceAllocation = v1alpha1.ResourceAllocation{MinReplicas: 6, MaxReplicas: 6, ReplicationFactor: 3}
	in = input(t, r, "statefulset", production)
	if rendering := rendered(t, in); rendering.Functions[0].Replicas != 4 || rendering.Grid.Nodes != 4 || len(rendering.Warnings) != 1 {
		t.Errorf("replicas = %d, nodes = %d, warnings = %v, want one step to 4", rendering.Functions[0].Replicas, rendering.Grid.Nodes, rendering.Warnings)
	}
	status.ReadyNodes = 2
	if rendering := rendered(t, in); rendering.Functions[0].Replicas != 3 {
		t.Errorf("replicas = %d while a node is not ready, want 3", rendering.Functions[0].Replicas)
	}
}
