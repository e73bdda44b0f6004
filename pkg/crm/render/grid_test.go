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

// TestAGridGoesBackWhenItCannotGrow: the node that finds no machine is the one that
// goes, so that nobody has to wait for it.
func TestAGridGoesBackWhenItCannotGrow(t *testing.T) {
	cases := map[string]struct {
		template string
		broken   int // the place among the members, from 0
		outdated bool
		want     int32
	}{
		"the others have not been restarted yet":           {"deployment", 3, true, 3},
		"beside a function, the others neither":            {"statefulset", 3, true, 3},
		"a grid of its own whose last node is broken":      {"deployment", 3, false, 3},
		"a grid of its own whose first node is broken":     {"deployment", 0, false, 4},
		"a grid beside a function, its last node broken":   {"statefulset", 3, false, 3},
		"a grid beside a function, its second node broken": {"statefulset", 1, false, 4},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			sized := func(nodes int32) *v1alpha1.DeploymentRecord {
				return record(stateful, func(r *v1alpha1.DeploymentRecord) {
					r.Spec.ResourceAllocation = v1alpha1.ResourceAllocation{MinReplicas: nodes, MaxReplicas: nodes, ReplicationFactor: nodes}
				})
			}
			before := rendered(t, input(t, sized(4), tc.template, production)).Grid
			status := before.Status()
			for i, id := range before.Members {
				member := v1alpha1.ODGMMember{ID: int64(id), Ready: i != tc.broken && !tc.outdated, Outdated: i != tc.broken && tc.outdated}
				if status.Members = append(status.Members, member); member.Ready {
					status.ReadyNodes++
				}
			}
			r := sized(3)
			r.Status.ODGMClusterStatus = &status
			r.Status.FunctionContainerStatus = []v1alpha1.FunctionContainerStatus{{FunctionKey: "Cart.add", Replicas: 4, ReadyReplicas: 3}}
			if grid := rendered(t, input(t, r, tc.template, production)).Grid; grid.Nodes != tc.want {
				t.Errorf("%d nodes, want %d", grid.Nodes, tc.want)
			}
		})
	}
}
