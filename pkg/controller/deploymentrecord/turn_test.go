// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/children"
	"oaas.io/oaas/pkg/crm/odgm"
	"oaas.io/oaas/pkg/crm/render"
)

// knownSets are StatefulSets, by name; true for those that are settled.
type knownSets map[string]bool

func (k knownSets) get(name string) *children.Object {
	settled, ok := k[name]
	if !ok {
		return nil
	}
	object := &children.Object{Kind: appsv1.SchemeGroupVersion.WithKind("StatefulSet"), Health: children.Health{Settled: settled}}
	object.Name = name
	return object
}

type childrenOf struct {
	Children
	sets knownSets
}

func (c childrenOf) Get(_ schema.GroupVersionKind, name types.NamespacedName) *children.Object {
	return c.sets.get(name.Name)
}

func TestNodesBesideFunctionsRestartOneAtATime(t *testing.T) {
	sidecar, cluster := &odgm.Grid{Mode: v1alpha1.ODGMSidecar}, &odgm.Grid{Mode: v1alpha1.ODGMCluster}
	cases := map[string]struct {
		grid  *odgm.Grid
		known knownSets
		waits bool
	}{
		"while another function rolls out, a change waits":         {sidecar, knownSets{"a": true, "b": false}, true},
		"while all are settled, a change goes ahead":               {sidecar, knownSets{"a": true, "b": true}, false},
		"what is not whole itself is changed, since that may help": {sidecar, knownSets{"a": false, "b": false}, false},
		"a function that is not there yet is not waited for":       {sidecar, knownSets{"a": true}, false},
		"functions without a node beside them do not wait":         {cluster, knownSets{"a": true, "b": false}, false},
		"without a data grid nothing waits":                        {nil, knownSets{"a": true, "b": false}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := &pass{record: newRecord(), rendering: &render.Rendering{Grid: tc.grid}}
			for _, name := range []string{"a", "b"} {
				intent := &unstructured.Unstructured{}
				intent.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("StatefulSet"))
				intent.SetName(name)
				object := render.ObjectOf(intent)
				object.Roles = []v1alpha1.ManifestRole{v1alpha1.RoleWorkload}
				p.rendering.Objects = append(p.rendering.Objects, object)
			}
			r := &Reconciler{children: childrenOf{sets: tc.known}}
			if got := r.turnOf(p, p.rendering.Objects[0], tc.known.get("a")); (got != nil) != tc.waits {
				t.Errorf("it waits for %v, want to wait: %t", got, tc.waits)
			}
		})
	}
}
