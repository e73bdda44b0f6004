// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package template

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// input has two functions, of which the first is autoscaled.
func input() Input {
	function := func(key string, autoscaled bool) Function {
		return Function{
			Key: key, Name: "fn-" + key, Labels: map[string]string{"oaas.io/function": key},
			Replicas: 2, MinReplicas: 2, MaxReplicas: 4, Autoscaled: autoscaled, Port: 8080,
			Pod: NewValue(map[string]any{"spec": map[string]any{
				"containers": []any{map[string]any{"name": "function", "ports": []any{map[string]any{"containerPort": int64(8080)}}}},
			}}),
			ServicePorts: []Value{NewValue(map[string]any{"port": int64(80)})},
		}
	}
	return Input{
		Record:    Record{Name: "shop", Class: "Cart", Annotations: map[string]string{"example.com/schedule": "@daily"}},
		Functions: []Function{function("a", true), function("b", false)},
		Requests:  []Request{{Key: "a", Image: "i"}},
		Names:     Names{Record: "shop-x"},
		Features:  Features{HPA: true},
	}
}

// specOf reads the manifests of a template from YAML.
func specOf(tb testing.TB, manifests string) *v1alpha1.DeploymentTemplateSpec {
	tb.Helper()
	spec := &v1alpha1.DeploymentTemplateSpec{Type: v1alpha1.TemplateTypeCustom}
	if err := yaml.UnmarshalStrict([]byte(manifests), &spec.Manifests); err != nil {
		tb.Fatal(err)
	}
	return spec
}

// valueSpec is a template with one object whose field value is the given string.
func valueSpec(tb testing.TB, value string) *v1alpha1.DeploymentTemplateSpec {
	tb.Helper()
	encoded, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "x"}, "value": value,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return &v1alpha1.DeploymentTemplateSpec{
		Type:      v1alpha1.TemplateTypeCustom,
		Manifests: []v1alpha1.TemplateManifest{{Name: "m", Manifest: runtime.RawExtension{Raw: encoded}}},
	}
}

func compile(tb testing.TB, spec *v1alpha1.DeploymentTemplateSpec) *Template {
	tb.Helper()
	compiled, problems := Compile("test", spec)
	if len(problems) > 0 {
		tb.Fatal(problems.ToAggregate())
	}
	return compiled
}

func TestValues(t *testing.T) {
	cases := map[string]struct {
		value string
		want  any
	}{
		"text stays":                           {"a b", "a b"},
		"an escape is text":                    {"$${ x }", "${ x }"},
		"an integer keeps its type":            {"${ 1 + 2 }", int64(3)},
		"a number of a variable is an integer": {"${ functions[0].replicas }", int64(2)},
		"a double keeps its type":              {"${ 1.5 }", 1.5},
		"a boolean keeps its type":             {"${ features.hpa }", true},
		"a string keeps its type":              {"${ '1' }", "1"},
		"a list keeps its type":                {"${ functions.map(f, f.name) }", []any{"fn-a", "fn-b"}},
		"a map keeps its type":                 {"${ functions[0].labels }", map[string]any{"oaas.io/function": "a"}},
		"a Kubernetes value is copied":         {"${ functions[0].pod.spec.containers[0].ports }", []any{map[string]any{"containerPort": int64(8080)}}},
		"a list of Kubernetes values":          {"${ functions[0].servicePorts }", []any{map[string]any{"port": int64(80)}}},
		"null leaves the field out":            {"${ null }", nil},
		"an absent optional leaves it out":     {"${ record.annotations[?'nothing'] }", nil},
		"a present optional is its value":      {"${ record.annotations[?'example.com/schedule'] }", "@daily"},
		"an optional has a default":            {"${ record.annotations[?'nothing'].orValue('@hourly') }", "@hourly"},
		"null in a map leaves its key out":     {"${ {'a': dyn(null), 'b': dyn(1)} }", map[string]any{"b": int64(1)}},
		"text and values are put together":     {"${ record.name }-${ 7 }-${ true }-${ 0.5 }", "shop-7-true-0.5"},
		"maps are merged":                      {"${ merge({'a': {'b': 1, 'c': 2}}, {'a': {'b': 3}, 'd': 4}) }", map[string]any{"a": map[string]any{"b": int64(3), "c": int64(2)}, "d": int64(4)}},
		"a merge with null takes away":         {"${ merge({'a': 1, 'b': 2}, {'a': null}) }", map[string]any{"b": int64(2)}},
		"a merge into a pod":                   {"${ merge(functions[0].pod.spec, {'restartPolicy': 'Never'}).restartPolicy }", "Never"},
		"a short child name stays":             {"${ childName(names.record, '-cfg') }", "shop-x-cfg"},
		"strings have their functions":         {"${ 'a-b'.split('-').join('+').replace('+', '').upperAscii() }", "AB"},
		"lists have their functions":           {"${ [3, 1, 1].distinct().sort() }", []any{int64(1), int64(3)}},
		"sets have their functions":            {"${ sets.contains([1, 2], [1]) && sets.intersects([1], [1]) && sets.equivalent([1, 1], [1]) }", true},
		"numbers have their functions":         {"${ math.greatest(1, functions[0].replicas) }", int64(2)},
		"encodings have their functions":       {"${ base64.encode(b'a') }", "YQ=="},
		"values are compared and looked for":   {"${ functions[0].key == 'a' && 'a' in ['a'] && functions[0] != functions[1] }", true},
		"a label value of any text":            {"${ labelValue('a b') }", "a-b--zbuhucfklv"},
		"a brace in a literal":                 {"${ '}' }", "}"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			objects, err := compile(t, valueSpec(t, tc.value)).Render(input())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, objects[0].Content["value"]); diff != "" {
				t.Errorf("value differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestForEachAndIncludeWhen(t *testing.T) {
	compiled := compile(t, specOf(t, `
- name: scaler
  forEach: functions
  includeWhen: item.autoscaled && features.hpa
  roles: [Workload]
  optional: true
  manifest: {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: "${ item.name }"}}
- name: settings
  keep: true
  manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: "${ names.record }-settings"}}
- name: numbered
  forEach: lists.range(2)
  manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: "n${ item }"}}
`))
	objects, err := compiled.Render(input())
	if err != nil {
		t.Fatal(err)
	}
	object := func(manifest, apiVersion, kind, name string) Object {
		return Object{Manifest: manifest, Content: map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"name": name}}}
	}
	scaler := object("scaler", "autoscaling/v2", "HorizontalPodAutoscaler", "fn-a")
	scaler.Function, scaler.Roles, scaler.Optional = "a", []v1alpha1.ManifestRole{v1alpha1.RoleWorkload}, true
	settings := object("settings", "v1", "ConfigMap", "shop-x-settings")
	settings.Keep = true
	want := []Object{scaler, settings, object("numbered", "v1", "ConfigMap", "n0"), object("numbered", "v1", "ConfigMap", "n1")}
	if diff := cmp.Diff(want, objects); diff != "" {
		t.Errorf("objects differ (-want +got):\n%s", diff)
	}
	kinds := []Kind{
		{GroupVersionKind: schema.GroupVersionKind{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"}, Optional: true},
		{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}},
	}
	if diff := cmp.Diff(kinds, compiled.Kinds()); diff != "" {
		t.Errorf("kinds differ (-want +got):\n%s", diff)
	}
}

func TestRenderedObjectsShareNothing(t *testing.T) {
	compiled, in := compile(t, valueSpec(t, "${ functions[0].pod }")), input()
	first, err := compiled.Render(in)
	if err != nil {
		t.Fatal(err)
	}
	delete(first[0].Content["value"].(map[string]any), "spec")
	delete(first[0].Content, "metadata")
	second, err := compiled.Render(in)
	if err != nil {
		t.Fatal(err)
	}
	if second[0].Content["metadata"] == nil || second[0].Content["value"].(map[string]any)["spec"] == nil {
		t.Error("a change of one rendering shows in the next")
	}
}

func TestMatches(t *testing.T) {
	cases := map[string]struct {
		when string
		want bool
	}{
		"nothing matches always":     {"", true},
		"a condition that holds":     {"functions.size() == 1 && record.class == 'Cart'", true},
		"a condition that does not":  {"functions.exists(f, f.needHTTP2)", false},
		"a request has its own type": {"functions[0].image == 'i'", true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			spec := valueSpec(t, "")
			spec.SelectionCriteria.When = tc.when
			got, err := compile(t, spec).Matches(input())
			if err != nil || got != tc.want {
				t.Errorf("Matches = %v, %v, want %v", got, err, tc.want)
			}
		})
	}
	t.Run("an expression that fails tells where", func(t *testing.T) {
		spec := valueSpec(t, "")
		spec.SelectionCriteria.When = "functions[3].needHTTP2"
		_, err := compile(t, spec).Matches(input())
		if err == nil || !strings.Contains(err.Error(), `template "test", selectionCriteria.when, line 1, column 13: expression "functions[3].needHTTP2": index out of bounds: 3`) {
			t.Errorf("err = %v", err)
		}
	})
	t.Run("pods are not known yet", func(t *testing.T) {
		spec := valueSpec(t, "")
		spec.SelectionCriteria.When = "functions[0].pod.spec == null"
		if _, problems := Compile("test", spec); len(problems) != 1 || problems[0].Field != "spec.selectionCriteria.when" {
			t.Errorf("problems = %v", problems)
		}
	})
}

func TestHash(t *testing.T) {
	base := valueSpec(t, "a")
	reordered := base.DeepCopy()
	reordered.Manifests[0].Manifest.Raw = []byte(`{"value":  "a","metadata":{"name":"x"},"kind":"ConfigMap","apiVersion":"v1"}`)
	defaulted := base.DeepCopy()
	defaulted.ODGM.Mode, defaulted.Capabilities.Serving = v1alpha1.ODGMNone, new(true)
	if Hash(base) != Hash(reordered) || Hash(base) != Hash(defaulted) {
		t.Error("equal content has different hashes")
	}
	if Hash(base) == Hash(valueSpec(t, "b")) {
		t.Error("different content has one hash")
	}
}
