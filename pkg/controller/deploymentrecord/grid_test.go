// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/children"
	"oaas.io/oaas/pkg/crm/odgm"
	"oaas.io/oaas/pkg/crm/odgm/probe"
	"oaas.io/oaas/pkg/crm/render"
)

// gridChild is a child of a record with a grid.
func gridChild(kind, name string, grid bool, generation int64, settled bool) child {
	intent := &unstructured.Unstructured{}
	intent.SetKind(kind)
	intent.SetName(name)
	c := child{Object: render.ObjectOf(intent), live: &children.Object{Health: children.Health{Settled: settled}}}
	c.Grid = grid
	if !grid {
		c.Roles = []v1alpha1.ManifestRole{v1alpha1.RoleWorkload}
	}
	c.live.UID, c.live.Generation = types.UID("uid-"+name), generation
	return c
}

// TestRevisionOfAGrid holds which changes void what nodes said before.
func TestRevisionOfAGrid(t *testing.T) {
	before := func() []child {
		return []child{
			gridChild("Service", "cart-odgm", true, 1, true),
			gridChild("StatefulSet", "cart-odgm", true, 1, true),
			gridChild("StatefulSet", "cart-add", false, 1, true),
		}
	}
	cases := map[string]struct {
		mode     v1alpha1.ODGMMode
		change   func([]child)
		another  bool
		changing bool
	}{
		"at rest it stays":                      {v1alpha1.ODGMCluster, func([]child) {}, false, false},
		"the grid's set was changed":            {v1alpha1.ODGMCluster, func(c []child) { c[1] = gridChild("StatefulSet", "cart-odgm", true, 2, false) }, true, true},
		"its pods come and go":                  {v1alpha1.ODGMCluster, func(c []child) { c[1].live.Health.Settled = false }, false, true},
		"it was made anew":                      {v1alpha1.ODGMCluster, func(c []child) { c[1].live.UID = "other" }, true, false},
		"it is gone":                            {v1alpha1.ODGMCluster, func(c []child) { c[1].live = nil }, true, true},
		"its Service was changed":               {v1alpha1.ODGMCluster, func(c []child) { c[0].live.Generation++ }, false, false},
		"a function apart from it was changed":  {v1alpha1.ODGMCluster, func(c []child) { c[2].live.Generation++ }, false, false},
		"a function with a node was changed":    {v1alpha1.ODGMSidecar, func(c []child) { c[2].live.Generation++ }, true, false},
		"a function with a node is not settled": {v1alpha1.ODGMSidecar, func(c []child) { c[2].live.Health.Settled = false }, false, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			grid := &odgm.Grid{Mode: tc.mode}
			was, _ := revisionOf(grid, before())
			after := before()
			tc.change(after)
			is, changing := revisionOf(grid, after)
			if (was != is) != tc.another || changing != tc.changing {
				t.Errorf("%q becomes %q, changing: %t", was, is, changing)
			}
		})
	}
}

// askedGrids notes what it is asked.
type askedGrids struct {
	asked     []probe.Grid
	forgotten []types.NamespacedName
}

func (a *askedGrids) Probe(grid probe.Grid) (v1alpha1.ODGMClusterStatus, time.Duration) {
	a.asked = append(a.asked, grid)
	return v1alpha1.ODGMClusterStatus{ReadyNodes: 1}, time.Second
}

func (a *askedGrids) Forget(record types.NamespacedName) { a.forgotten = append(a.forgotten, record) }

// TestAskGrid asks while there is a grid, and ends that with it.
func TestAskGrid(t *testing.T) {
	grids := &askedGrids{}
	r := &Reconciler{grids: grids}
	record := &v1alpha1.DeploymentRecord{}
	record.Namespace, record.Name = "team-a", "cart"
	record.Spec.State = &v1alpha1.ClassState{}
	grid, err := odgm.Plan(odgm.Input{
		Record: record, Mode: v1alpha1.ODGMCluster,
		Environment: v1alpha1.EnvironmentConfigSpec{ODGM: v1alpha1.EnvironmentODGM{Image: "registry.example/odgm:1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := &pass{record: record, rendering: &render.Rendering{Grid: grid}}
	seen := &observation{children: []child{gridChild("StatefulSet", "cart-odgm", true, 7, false)}}
	result := r.askGrid(p, seen, []corev1.Pod{})
	if len(grids.asked) != 1 || grids.asked[0].Revision != "cart-odgm/uid-cart-odgm/7" || !grids.asked[0].Changing || grids.asked[0].Record != nameOf(record) {
		t.Errorf("asked %+v", grids.asked)
	}
	if seen.grid == nil || seen.grid.ReadyNodes != 1 || result.RequeueAfter != time.Second {
		t.Errorf("told %+v, again after %s", seen.grid, result.RequeueAfter)
	}
	p.rendering.Grid = nil
	if r.askGrid(p, &observation{}, nil); len(grids.forgotten) != 1 || grids.forgotten[0] != nameOf(record) {
		t.Errorf("forgot %v", grids.forgotten)
	}
}
