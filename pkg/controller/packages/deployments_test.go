// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

func TestCompare(t *testing.T) {
	pkg := makePackage(deploying("a"))
	owned := func(name string, by types.UID) *pmv1alpha1.ClassDeployment {
		owner := makePackage()
		owner.UID = by
		return &pmv1alpha1.ClassDeployment{ObjectMeta: metav1.ObjectMeta{
			Name: name, OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(owner, pmv1alpha1.SchemeGroupVersion.WithKind("Package"))},
		}}
	}
	deleting := func(d *pmv1alpha1.ClassDeployment) *pmv1alpha1.ClassDeployment {
		d.DeletionTimestamp = &metav1.Time{}
		return d
	}
	type summary struct{ Apply, Remove, Conflicts, Waiting []string }
	for name, test := range map[string]struct {
		existing []*pmv1alpha1.ClassDeployment
		want     summary
	}{
		"one that is not there is made":                       {want: summary{Apply: []string{"a"}}},
		"one that is there is looked at":                      {existing: []*pmv1alpha1.ClassDeployment{owned("a", "store")}, want: summary{Apply: []string{"a"}}},
		"one of nobody is not touched":                        {existing: []*pmv1alpha1.ClassDeployment{{ObjectMeta: metav1.ObjectMeta{Name: "a"}}}, want: summary{Conflicts: []string{"a"}}},
		"one of an earlier package of the name is not either": {existing: []*pmv1alpha1.ClassDeployment{owned("a", "earlier")}, want: summary{Conflicts: []string{"a"}}},
		"one on its way out is waited for":                    {existing: []*pmv1alpha1.ClassDeployment{deleting(owned("a", "store"))}, want: summary{Waiting: []string{"a"}}},
		"one that left the list goes": {
			existing: []*pmv1alpha1.ClassDeployment{owned("a", "store"), owned("b", "store")}, want: summary{Apply: []string{"a"}, Remove: []string{"b"}},
		},
		"one that left the list and goes already is left alone": {
			existing: []*pmv1alpha1.ClassDeployment{owned("a", "store"), deleting(owned("b", "store"))}, want: summary{Apply: []string{"a"}},
		},
		"others that use the package are none of its business": {
			existing: []*pmv1alpha1.ClassDeployment{owned("a", "store"), {ObjectMeta: metav1.ObjectMeta{Name: "b"}}, owned("c", "other")}, want: summary{Apply: []string{"a"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			todo := compare(pkg, test.existing)
			got := summary{Conflicts: todo.conflicts, Waiting: todo.waiting}
			for _, d := range todo.apply {
				got.Apply = append(got.Apply, d.Name)
			}
			for _, d := range todo.remove {
				got.Remove = append(got.Remove, d.Name)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("work (-want +got):\n%s", diff)
			}
		})
	}
}

func TestThePatchSaysNothingThatThePackageDoesNot(t *testing.T) {
	wanted := pmv1alpha1.PackageDeployment{
		Name: "a", Labels: map[string]string{"team": "web", LabelPackage: "lie"}, Annotations: map[string]string{"note": "x"},
		Spec: pmv1alpha1.ClassDeploymentSpec{ClassKey: "Cart", TargetEnvironments: []string{"edge"}},
	}
	patch, err := applyPatch(intended(makePackage(), wanted), "uid")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(patch, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"apiVersion": "pm.oaas.io/v1alpha1", "kind": "ClassDeployment",
		"metadata": map[string]any{
			"namespace": "shop", "name": "a", "uid": "uid",
			"labels":      map[string]any{"team": "web", LabelPackage: "store"},
			"annotations": map[string]any{"note": "x"},
			"ownerReferences": []any{map[string]any{
				"apiVersion": "pm.oaas.io/v1alpha1", "kind": "Package", "name": "store", "uid": "store", "controller": true, "blockOwnerDeletion": true,
			}},
		},
		"spec": map[string]any{"packageName": "store", "classKey": "Cart", "targetEnvironments": []any{"edge"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("patch (-want +got):\n%s", diff)
	}
	if wanted.Labels[LabelPackage] != "lie" {
		t.Error("the package in the cache was changed")
	}
}

func TestTheMemoryKnowsWhatNobodyChanged(t *testing.T) {
	m := newMemory()
	live := &pmv1alpha1.ClassDeployment{ObjectMeta: metav1.ObjectMeta{UID: "a", Generation: 1}}
	m.note(live, []byte("intent"))
	if !m.has(live, []byte("intent")) {
		t.Error("what was applied is not known")
	}
	if m.has(live, []byte("another intent")) {
		t.Error("another intent is taken for the one that was applied")
	}
	drifted := live.DeepCopy()
	drifted.Labels = map[string]string{"x": "y"}
	if m.has(drifted, []byte("intent")) {
		t.Error("a change of the labels is not noticed")
	}
	m.forget("a")
	if m.has(live, []byte("intent")) {
		t.Error("a deployment that went away is still known")
	}
}
