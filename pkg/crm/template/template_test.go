// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package template

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

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
func specOf(t testing.TB, manifests string) *v1alpha1.DeploymentTemplateSpec {
	t.Helper()
	spec := &v1alpha1.DeploymentTemplateSpec{Type: v1alpha1.TemplateTypeCustom}
	if err := yaml.UnmarshalStrict([]byte(manifests), &spec.Manifests); err != nil {
		t.Fatal(err)
	}
	return spec
}

// valueSpec is a template with one object whose field value is the given string.
func valueSpec(t testing.TB, value string) *v1alpha1.DeploymentTemplateSpec {
	t.Helper()
	encoded, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "x"}, "value": value,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &v1alpha1.DeploymentTemplateSpec{
		Type:      v1alpha1.TemplateTypeCustom,
		Manifests: []v1alpha1.TemplateManifest{{Name: "m", Manifest: runtime.RawExtension{Raw: encoded}}},
	}
}

func compile(t testing.TB, spec *v1alpha1.DeploymentTemplateSpec) *Template {
	t.Helper()
	compiled, problems := Compile("test", spec)
	if len(problems) > 0 {
		t.Fatal(problems.ToAggregate())
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
		"a label value of any text":            {"${ labelValue('a b') }", "a-b-zbuhucfklv"},
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

func TestCompileRefuses(t *testing.T) {
	const header = "apiVersion: v1, kind: ConfigMap, metadata: {name: x}"
	cases := map[string]struct {
		manifests string
		field     string
		want      string
	}{
		"an expression that does not parse":   {"[{name: m, manifest: {" + header + ", data: {a: '${ 1 + }'}}}]", "spec.manifests[0].manifest.data.a", "Syntax error"},
		"an unknown variable":                 {"[{name: m, manifest: {" + header + ", data: {a: 'x${ nobody }'}}}]", "spec.manifests[0].manifest.data.a", "line 1, column 5: expression \"nobody\": undeclared reference to 'nobody'"},
		"an unknown field":                    {"[{name: m, manifest: {" + header + ", data: {a: ['${ record.nam }']}}}]", "spec.manifests[0].manifest.data.a[0]", "column 10: expression \"record.nam\": undefined field 'nam'"},
		"a position in a later line":          {"[{name: m, manifest: {" + header + ", data: {a: \"x\\n ${ 1 +\\n  nobody }\"}}}]", "spec.manifests[0].manifest.data.a", "line 3, column 3"},
		"a wrong type":                        {"[{name: m, manifest: {" + header + ", data: {a: '${ 1 + \"a\" }'}}}]", "spec.manifests[0].manifest.data.a", "no matching overload"},
		"a list within text":                  {"[{name: m, manifest: {" + header + ", data: {a: 'x${ [1] }'}}}]", "spec.manifests[0].manifest.data.a", "cannot be part of a text"},
		"an optional within text":             {"[{name: m, manifest: {" + header + ", data: {a: 'x${ record.annotations[?\"a\"] }'}}}]", "spec.manifests[0].manifest.data.a", "use orValue"},
		"a variable of ours as a value":       {"[{name: m, manifest: {" + header + ", data: {a: '${ record }'}}}]", "spec.manifests[0].manifest.data.a", "has no place in a manifest"},
		"bytes as a value":                    {"[{name: m, manifest: {" + header + ", data: {a: '${ [b\"a\"] }'}}}]", "spec.manifests[0].manifest.data.a", "has no place in a manifest"},
		"keys that are no strings":            {"[{name: m, manifest: {" + header + ", data: '${ {1: 2} }'}}]", "spec.manifests[0].manifest.data", "keys of a map must be strings"},
		"an expression in a key":              {"[{name: m, manifest: {" + header + ", data: {'${ 1 }': a}}}]", "spec.manifests[0].manifest.data.${ 1 }", "make the whole map with one"},
		"an expression without an end":        {"[{name: m, manifest: {" + header + ", data: {a: '${ 1'}}}]", "spec.manifests[0].manifest.data.a", "not closed"},
		"item without forEach":                {"[{name: m, manifest: {" + header + ", data: {a: '${ item.name }'}}}]", "spec.manifests[0].manifest.data.a", "undeclared reference to 'item'"},
		"a field that items do not have":      {"[{name: m, forEach: functions, manifest: {" + header + ", data: {a: '${ item.nothing }'}}}]", "spec.manifests[0].manifest.data.a", "undefined field 'nothing'"},
		"forEach over no list":                {"[{name: m, forEach: record.name, manifest: {" + header + "}}]", "spec.manifests[0].forEach", "must be a list, not string"},
		"forEach in ${ }":                     {"[{name: m, forEach: '${ functions }', manifest: {" + header + "}}]", "spec.manifests[0].forEach", "without ${ and }"},
		"a condition that is no boolean":      {"[{name: m, includeWhen: '1', manifest: {" + header + "}}]", "spec.manifests[0].includeWhen", "must be true or false, not int"},
		"no kind":                             {"[{name: m, manifest: {apiVersion: v1, metadata: {name: x}}}]", "spec.manifests[0].manifest.kind", "every object has one"},
		"a kind that depends":                 {"[{name: m, manifest: {apiVersion: v1, kind: '${ record.name }', metadata: {name: x}}}]", "spec.manifests[0].manifest.kind", "cannot be an expression"},
		"an apiVersion that is none":          {"[{name: m, manifest: {apiVersion: a/b/c, kind: A, metadata: {name: x}}}]", "spec.manifests[0].manifest.apiVersion", "unexpected GroupVersion"},
		"no name":                             {"[{name: m, manifest: {apiVersion: v1, kind: ConfigMap}}]", "spec.manifests[0].manifest.metadata.name", "give the object a name"},
		"a name that is none":                 {"[{name: m, manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: A_B}}}]", "spec.manifests[0].manifest.metadata.name", "lowercase"},
		"a namespace":                         {"[{name: m, manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: kube-system}}}]", "spec.manifests[0].manifest.metadata.namespace", "remove it"},
		"an owner":                            {"[{name: m, manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: x, ownerReferences: []}}}]", "spec.manifests[0].manifest.metadata.ownerReferences", "remove it"},
		"a finalizer":                         {"[{name: m, manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: x, finalizers: [a/b]}}}]", "spec.manifests[0].manifest.metadata.finalizers", "name, labels and annotations only"},
		"a status":                            {"[{name: m, manifest: {" + header + ", status: {}}}]", "spec.manifests[0].manifest.status", "for others to write"},
		"a kind outside of namespaces":        {"[{name: m, manifest: {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: x}}}]", "spec.manifests[0].manifest.kind", "outside of namespaces"},
		"a kind that the cluster tells about": {"[{name: m, manifest: {apiVersion: example.com/v1, kind: Wide, metadata: {name: x}}}]", "spec.manifests[0].manifest.kind", "outside of namespaces"},
		"an object of OaaS":                   {"[{name: m, manifest: {apiVersion: oaas.io/v1alpha1, kind: DeploymentRecord, metadata: {name: x}}}]", "spec.manifests[0].manifest.apiVersion", "objects of OaaS"},
		"no manifests":                        {"[]", "spec.manifests", "at least one"},
		"nesting without an end":              {"[{name: m, manifest: {" + header + ", a: " + strings.Repeat("[", 70) + strings.Repeat("]", 70) + "}}]", "", "nests deeper"},
		"an expression that is too long":      {"[{name: m, manifest: {" + header + ", a: '${ " + strings.Repeat("1 + ", 1100) + "1 }'}}]", "spec.manifests[0].manifest.a", "exceeds"},
		"an expression that nests too deep":   {"[{name: m, manifest: {" + header + ", a: '${ " + strings.Repeat("[", 70) + strings.Repeat("]", 70) + " }'}}]", "spec.manifests[0].manifest.a", "recursion"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, problems := Compile("test", specOf(t, tc.manifests), WithClusterScoped(func(kind schema.GroupKind) bool { return kind.Kind == "Wide" }))
			if len(problems) == 0 {
				t.Fatal("was accepted")
			}
			if got := problems[0]; (tc.field != "" && got.Field != tc.field) || !strings.Contains(got.Error(), tc.want) {
				t.Errorf("error = %v\nwant field %s and %q", got, tc.field, tc.want)
			}
		})
	}
}

func TestRenderTellsWhatFailed(t *testing.T) {
	const header = "apiVersion: v1, kind: ConfigMap, metadata: {name: x}"
	cases := map[string]struct {
		manifests string
		want      Error
		message   string
	}{
		"a key that is not there": {
			"[{name: m, manifest: {" + header + ", data: {a: \"x\\n${ record.annotations['no'] }\"}}}]",
			Error{Template: "test", Manifest: "m", Field: "data.a", Expression: "record.annotations['no']", Line: 2, Column: 22}, "no such key: no",
		},
		"a division by zero":       {"[{name: m, manifest: {" + header + ", data: {a: '${ 1 / (functions.size() - 2) }'}}}]", Error{Template: "test", Manifest: "m", Field: "data.a", Expression: "1 / (functions.size() - 2)", Line: 1, Column: 6}, "division by zero"},
		"an index out of bounds":   {"[{name: m, manifest: {" + header + ", data: {a: '${ functions[7].name }'}}}]", Error{Template: "test", Manifest: "m", Field: "data.a", Expression: "functions[7].name", Line: 1, Column: 16}, "index out of bounds: 7"},
		"forEach that fails":       {"[{name: m, forEach: 'functions[9].labels.map(l, l)', manifest: {" + header + "}}]", Error{Template: "test", Manifest: "m", Field: "forEach", Expression: "functions[9].labels.map(l, l)", Line: 1, Column: 13}, "index out of bounds"},
		"includeWhen that is none": {"[{name: m, includeWhen: 'dyn(1)', manifest: {" + header + "}}]", Error{Template: "test", Manifest: "m", Field: "includeWhen", Expression: "dyn(1)", Line: 1, Column: 1}, "must be true or false, not int"},
		"a name that is none":      {"[{name: m, manifest: {apiVersion: v1, kind: A, metadata: {name: '${ record.class }'}}}]", Error{Template: "test", Manifest: "m", Field: "metadata.name"}, `"Cart" is no name`},
		"a name that is absent":    {"[{name: m, manifest: {apiVersion: v1, kind: A, metadata: {name: '${ null }'}}}]", Error{Template: "test", Manifest: "m", Field: "metadata.name"}, `"" is no name`},
		"two objects of one name":  {"[{name: m, forEach: functions, manifest: {" + header + "}}]", Error{Template: "test", Manifest: "m", Field: "metadata.name"}, "is made twice"},
		"a label that is a number": {"[{name: m, manifest: {apiVersion: v1, kind: A, metadata: {name: x, labels: {a: '${ 1 }'}}}}]", Error{Template: "test", Manifest: "m", Field: "metadata.labels.a"}, "must be a string, not 1"},
		"a list within text":       {"[{name: m, manifest: {" + header + ", a: 'x${ dyn([1]) }'}}]", Error{Template: "test", Manifest: "m", Field: "a", Expression: "dyn([1])", Line: 1, Column: 4}, "cannot be part of a text"},
		"bytes behind dyn":         {"[{name: m, manifest: {" + header + ", a: '${ dyn(b\"a\") }'}}]", Error{Template: "test", Manifest: "m", Field: "a", Expression: "dyn(b\"a\")", Line: 1, Column: 3}, "has no place"},
		"a key that is no string":  {"[{name: m, manifest: {" + header + ", a: '${ dyn({1: 2}) }'}}]", Error{Template: "test", Manifest: "m", Field: "a", Expression: "dyn({1: 2})", Line: 1, Column: 3}, "keys of a map must be strings"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := compile(t, specOf(t, tc.manifests)).Render(input())
			var got *Error
			if !errors.As(err, &got) {
				t.Fatalf("err = %v, want an *Error", err)
			}
			if !strings.Contains(got.Err.Error(), tc.message) {
				t.Errorf("error = %q, want %q in it", got.Err, tc.message)
			}
			at := *got
			at.Err = nil
			if diff := cmp.Diff(tc.want, at); diff != "" {
				t.Errorf("place differs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestHostileTemplates holds that no template stalls or fills the program.
func TestHostileTemplates(t *testing.T) {
	many := "lists.range(10000)"
	cases := map[string]string{
		"lists in lists":              "${ " + many + ".map(a, " + many + ".map(b, a * b)).size() }",
		"a list that is too long":     "${ lists.range(1000000000) }",
		"lists that double":           "${ [1]" + strings.Repeat(".map(x, [x, x])", 60) + " }",
		"doubled lists compared":      "${ [1]" + strings.Repeat(".map(x, [x, x])", 60) + " == dyn([[1]]) }",
		"maps that double":            "${ [{'a': 1}]" + strings.Repeat(".map(x, {'a': x, 'b': x})", 60) + " }",
		"optionals that double":       "${ optional.of(dyn(1))" + strings.Repeat(".optMap(x, dyn([x, x]))", 60) + " }",
		"text that grows":             "${ 'aaaaaaaaaa'" + strings.Repeat(".replace('a', 'aaaaaaaaaa')", 60) + " }",
		"text that grows by its gaps": "${ " + many + ".map(x, 'aaaaaaaaaaaaaaaaaaaa').join('" + strings.Repeat("b", 3000) + "').size() }",
		"text that is put together":   "${ " + many + ".map(x, 'a').join('').split('').map(x, '" + strings.Repeat("b", 3000) + "').join('') }",
		"sets of large lists":         "${ sets.contains(" + many + ", " + many + ") }",
		"distinct of a large list":    "${ " + many + ".distinct().size() }",
		"deep values":                 "${ [dyn(1)]" + strings.Repeat(".map(x, dyn([x]))", 100) + " }",
		"a large object":              "${ " + many + ".map(x, {'aaaaaaaaaaaaaaaaaaaa': 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb'}) }",
		"a precision without bound":   "${ '%.2000000000f'.format([1.0]) }",
	}
	for name, value := range cases {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			compiled, problems := Compile("test", valueSpec(t, value))
			err := error(problems.ToAggregate())
			if len(problems) == 0 {
				_, err = compiled.Render(input())
			}
			if err == nil {
				t.Error("was rendered")
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %s to fail with %v", took, err)
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

// FuzzCompile looks for templates that panic, stall, or are accepted and render to
// something that is no object.
func FuzzCompile(f *testing.F) {
	f.Add("functions", "item.autoscaled", `{"apiVersion":"v1","kind":"A","metadata":{"name":"${ item.name }"},"a":"${ item.pod }"}`)
	f.Add("", "", `{"apiVersion":"v1","kind":"A","metadata":{"name":"x","labels":{"a":"${ record.name }-${ 1 }"}}}`)
	f.Add("lists.range(3)", "item > 1", `{"apiVersion":"a/v1","kind":"A","metadata":{"name":"n${ item }"},"l":["${ null }", 1.5, true]}`)
	f.Fuzz(func(t *testing.T, forEach, includeWhen, manifest string) {
		spec := &v1alpha1.DeploymentTemplateSpec{Manifests: []v1alpha1.TemplateManifest{{
			Name: "m", ForEach: forEach, IncludeWhen: includeWhen, Manifest: runtime.RawExtension{Raw: []byte(manifest)},
		}}}
		compiled, problems := Compile("fuzz", spec)
		if len(problems) > 0 {
			return
		}
		objects, err := compiled.Render(input())
		if err != nil {
			var failed *Error
			if !errors.As(err, &failed) || failed.Template != "fuzz" {
				t.Fatalf("err = %#v, want an *Error that names the template", err)
			}
			return
		}
		for _, object := range objects {
			if object.Content["kind"] != compiled.Kinds()[0].Kind {
				t.Fatalf("kind = %v, want %v", object.Content["kind"], compiled.Kinds()[0].Kind)
			}
			if _, err := json.Marshal(object.Content); err != nil {
				t.Fatal(err)
			}
		}
	})
}
