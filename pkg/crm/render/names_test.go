// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"maps"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/template"
)

// TestNamesOfAnyKeys renders records with any keys, and holds that every object has
// a valid name that no other has.
func TestNamesOfAnyKeys(t *testing.T) {
	builtIns := map[string]*template.Template{}
	for _, name := range []string{"deployment", "statefulset", "daemonset", "job", "knative"} {
		builtIns[name] = builtIn(t, name)
	}
	base := input(t, record(stateful), "deployment", production)
	// A function of another package: that package's name, a dot and its own key.
	const longest = 63 + 1 + 200
	key := rapid.Custom(func(t *rapid.T) string {
		text := []rune(rapid.OneOf(rapid.StringN(1, longest, -1), rapid.StringMatching(`[a-zA-Z0-9._-]{1,264}`)).Draw(t, "text"))
		return string(text[:min(len(text), longest)])
	})
	rapid.Check(t, func(t *rapid.T) {
		r := record(stateful)
		r.Name = rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`).Draw(t, "id")
		r.Spec.DeploymentUnit.ClassKey = key.Draw(t, "class")
		r.Spec.FunctionContainers = nil
		for i, key := range rapid.SliceOfNDistinct(key, 1, 4, rapid.ID).Draw(t, "functions") {
			r.Spec.FunctionContainers = append(r.Spec.FunctionContainers, v1alpha1.FunctionContainer{FunctionKey: key, Image: "i", MinReplicas: new(int32(i + 1))})
		}
		in := base
		in.Record, in.Template = r, builtIns[rapid.SampledFrom(slices.Sorted(maps.Keys(builtIns))).Draw(t, "template")]
		rendering, err := Render(in)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Render(in)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for i, object := range rendering.Objects {
			name, kind := object.Intent.GetName(), object.Intent.GroupVersionKind()
			if problems := validation.IsDNS1035Label(name); len(problems) > 0 {
				t.Fatalf("%s %q: %v", kind.Kind, name, problems)
			}
			if kind.Kind == "StatefulSet" && len(name) > 52 {
				t.Fatalf("the pods of StatefulSet %q have a label of more than 63 characters", name)
			}
			if id := kind.GroupKind().String() + "/" + name; seen[id] {
				t.Fatalf("%s %q is there twice", kind.Kind, name)
			} else {
				seen[id] = true
			}
			if name != again.Objects[i].Intent.GetName() {
				t.Fatalf("%s is called %q, and then %q", kind.Kind, name, again.Objects[i].Intent.GetName())
			}
			for label, value := range object.Intent.GetLabels() {
				if problems := validation.IsValidLabelValue(value); len(problems) > 0 {
					t.Fatalf("label %s=%q: %v", label, value, problems)
				}
			}
		}
	})
}
