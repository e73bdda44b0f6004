// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package children

import (
	"encoding/json"
	"fmt"
	"runtime"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// parse reads YAML in the form that objects from the API server have.
func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	encoded, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(encoded); err != nil {
		t.Fatal(err)
	}
	return u
}

const wanted = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: x
  namespace: team
  labels: {a: b}
  annotations: {oaas.io/spec-hash: h}
  ownerReferences: [{apiVersion: oaas.io/v1alpha1, kind: DeploymentRecord, name: r, uid: u}]
spec:
  replicas: 2
  paused: null
  template:
    spec:
      securityContext: {}
      tolerations: [{key: a}]
      containers:
      - name: function
        image: one
        args: [a, b]
        ports: [{containerPort: 80}]
        env: [{name: A, value: x}]
`

// owned is what the API server notes when wanted is applied.
const owned = `{
"f:metadata":{"f:annotations":{"f:oaas.io/spec-hash":{}},"f:labels":{"f:a":{}},"f:ownerReferences":{"k:{\"uid\":\"u\"}":{}}},
"f:spec":{"f:replicas":{},"f:template":{"f:spec":{"f:securityContext":{},"f:tolerations":{},"f:containers":{"k:{\"name\":\"function\"}":{".":{},
"f:name":{},"f:image":{},"f:args":{},
"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}},
"f:env":{"k:{\"name\":\"A\"}":{".":{},"f:name":{},"f:value":{}}}}}}}}}`

func liveWith(t *testing.T, fields string, change ...func(*unstructured.Unstructured)) *Object {
	t.Helper()
	live := parse(t, wanted)
	live.SetManagedFields([]metav1.ManagedFieldsEntry{
		{Manager: "kubectl", Operation: metav1.ManagedFieldsOperationUpdate, FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:paused":{}}}`)},
		{Manager: v1alpha1.FieldManagerReconciler, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(fields)},
	})
	for _, c := range change {
		c(live)
	}
	return Digest(live.GroupVersionKind(), live)
}

func TestHolds(t *testing.T) {
	// without returns what is owned after others took over a field.
	without := func(path ...string) string {
		var fields map[string]any
		if err := json.Unmarshal([]byte(owned), &fields); err != nil {
			t.Fatal(err)
		}
		unstructured.RemoveNestedField(fields, path...)
		encoded, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		return string(encoded)
	}
	container := []string{"f:spec", "f:template", "f:spec", "f:containers", `k:{"name":"function"}`}
	in := func(path ...string) []string { return append(append([]string(nil), container...), path...) }
	cases := map[string]struct {
		live *Object
		path string
	}{
		"an object as it was applied":              {live: liveWith(t, owned)},
		"somebody scaled it":                       {live: liveWith(t, without("f:spec", "f:replicas")), path: "spec.replicas"},
		"somebody set another image":               {live: liveWith(t, without(in("f:image")...)), path: "spec.template.spec.containers[0].image"},
		"somebody removed a variable":              {live: liveWith(t, without(in("f:env")...)), path: "spec.template.spec.containers[0].env"},
		"somebody changed the value of a variable": {live: liveWith(t, without(in("f:env", `k:{"name":"A"}`, "f:value")...)), path: "spec.template.spec.containers[0].env[0].value"},
		"somebody replaced the list of arguments":  {live: liveWith(t, without(in("f:args")...)), path: "spec.template.spec.containers[0].args"},
		"somebody removed the port":                {live: liveWith(t, without(in("f:ports")...)), path: "spec.template.spec.containers[0].ports"},
		"somebody removed a label":                 {live: liveWith(t, without("f:metadata", "f:labels")), path: "metadata.labels"},
		"somebody took the owner away":             {live: liveWith(t, without("f:metadata", "f:ownerReferences")), path: "metadata.ownerReferences"},
		"somebody removed the container":           {live: liveWith(t, without("f:spec", "f:template", "f:spec", "f:containers")), path: "spec.template.spec.containers"},
		"another intent was applied": {live: liveWith(t, owned, func(u *unstructured.Unstructured) {
			u.SetAnnotations(map[string]string{v1alpha1.AnnotationSpecHash: "old"})
		}), path: "metadata.annotations.oaas.io/spec-hash"},
		"nothing of it is the reconciler's":            {live: liveWith(t, owned, func(u *unstructured.Unstructured) { u.SetManagedFields(nil) }), path: "metadata.managedFields"},
		"an empty object needs no owner of its fields": {live: liveWith(t, without("f:spec", "f:template", "f:spec", "f:securityContext"))},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			path, holds := tc.live.Holds(parse(t, wanted))
			if holds != (tc.path == "") || path != tc.path {
				t.Errorf("Holds = %q, %t; want %q", path, holds, tc.path)
			}
			if again, _ := tc.live.Holds(parse(t, wanted)); again != path {
				t.Errorf("asked again it says %q", again)
			}
		})
	}
}

// TestDigestIsSmall bounds the memory of a record of two functions: two
// Deployments and two Services.
func TestDigestIsSmall(t *testing.T) {
	const objects, bound = 500, 12 << 10
	live := parse(t, wanted)
	var fields map[string]any
	if err := json.Unmarshal([]byte(owned), &fields); err != nil {
		t.Fatal(err)
	}
	// As many fields as a Deployment in earnest has.
	containers, _, _ := unstructured.NestedMap(fields, "f:spec", "f:template", "f:spec", "f:containers", `k:{"name":"function"}`)
	for i := range 80 {
		containers[fmt.Sprintf("f:someFieldOfTheContainer%d", i)] = map[string]any{}
	}
	_ = unstructured.SetNestedMap(fields, containers, "f:spec", "f:template", "f:spec", "f:containers", `k:{"name":"function"}`)
	raw, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	live.SetManagedFields([]metav1.ManagedFieldsEntry{{
		Manager: v1alpha1.FieldManagerReconciler, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(string(raw)),
	}})
	used := func() uint64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := used()
	kept := make([]*Object, 0, objects)
	for range objects {
		kept = append(kept, Digest(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, live.DeepCopy()))
	}
	each := (used() - before) / objects
	runtime.KeepAlive(kept)
	t.Logf("%d bytes each, of which %d are the fields", each, len(raw))
	if each > bound {
		t.Errorf("a digest takes %d bytes, want %d at most", each, bound)
	}
}

// A record may ask for as many variables as the API server can store.
func TestManyItemsAreComparedInTime(t *testing.T) {
	const items = 10_000
	var env []any
	owned := map[string]any{}
	for i := range items {
		name := fmt.Sprint("A", i)
		env = append(env, map[string]any{"name": name, "value": "x"})
		owned[fmt.Sprintf("k:{%q:%q}", "name", name)] = map[string]any{".": map[string]any{}, "f:name": map[string]any{}, "f:value": map[string]any{}}
	}
	start := time.Now()
	if path, missing := missingBelow("env", env, owned); missing {
		t.Errorf("%s is missing", path)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("%d items took %v", items, took)
	}
	delete(owned, `k:{"name":"A9999"}`)
	if path, _ := missingBelow("env", env, owned); path != "env[9999]" {
		t.Errorf("missing is %q, want the last item", path)
	}
}
