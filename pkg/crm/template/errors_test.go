// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package template

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

func TestCompileRefuses(t *testing.T) {
	const header = "apiVersion: v1, kind: ConfigMap, metadata: {name: x}"
	cases := map[string]struct {
		manifests string
		field     string
		want      string
	}{
		"an expression that does not parse": {"[{name: m, manifest: {" + header + ", data: {a: '${ 1 + }'}}}]", "spec.manifests[0].manifest.data.a", "Syntax error"},
		"an unknown variable":               {"[{name: m, manifest: {" + header + ", data: {a: 'x${ nobody }'}}}]", "spec.manifests[0].manifest.data.a", "line 1, column 5: expression \"nobody\": undeclared reference to 'nobody'"},
		"an unknown field":                  {"[{name: m, manifest: {" + header + ", data: {a: ['${ record.nam }']}}}]", "spec.manifests[0].manifest.data.a[0]", "column 10: expression \"record.nam\": undefined field 'nam'"},
		"a position in a later line":        {"[{name: m, manifest: {" + header + ", data: {a: \"x\\n ${ 1 +\\n  nobody }\"}}}]", "spec.manifests[0].manifest.data.a", "line 3, column 3"},
		"a wrong type":                      {"[{name: m, manifest: {" + header + ", data: {a: '${ 1 + \"a\" }'}}}]", "spec.manifests[0].manifest.data.a", "no matching overload"},
		"a list within text":                {"[{name: m, manifest: {" + header + ", data: {a: 'x${ [1] }'}}}]", "spec.manifests[0].manifest.data.a", "cannot be part of a text"},
		"an optional within text":           {"[{name: m, manifest: {" + header + ", data: {a: 'x${ record.annotations[?\"a\"] }'}}}]", "spec.manifests[0].manifest.data.a", "use orValue"},
		"a variable of ours as a value":     {"[{name: m, manifest: {" + header + ", data: {a: '${ record }'}}}]", "spec.manifests[0].manifest.data.a", "has no place in a manifest"},
		"bytes as a value":                  {"[{name: m, manifest: {" + header + ", data: {a: '${ [b\"a\"] }'}}}]", "spec.manifests[0].manifest.data.a", "has no place in a manifest"},
		"keys that are no strings":          {"[{name: m, manifest: {" + header + ", data: '${ {1: 2} }'}}]", "spec.manifests[0].manifest.data", "keys of a map must be strings"},
		"an expression in a key":            {"[{name: m, manifest: {" + header + ", data: {'${ 1 }': a}}}]", "spec.manifests[0].manifest.data.${ 1 }", "make the whole map with one"},
		"an expression without an end":      {"[{name: m, manifest: {" + header + ", data: {a: '${ 1'}}}]", "spec.manifests[0].manifest.data.a", "not closed"},
		"item without forEach":              {"[{name: m, manifest: {" + header + ", data: {a: '${ item.name }'}}}]", "spec.manifests[0].manifest.data.a", "undeclared reference to 'item'"},
		"a field that items do not have":    {"[{name: m, forEach: functions, manifest: {" + header + ", data: {a: '${ item.nothing }'}}}]", "spec.manifests[0].manifest.data.a", "undefined field 'nothing'"},
		"forEach over no list":              {"[{name: m, forEach: record.name, manifest: {" + header + "}}]", "spec.manifests[0].forEach", "must be a list, not string"},
		"forEach in ${ }":                   {"[{name: m, forEach: '${ functions }', manifest: {" + header + "}}]", "spec.manifests[0].forEach", "without ${ and }"},
		"a condition that is no boolean":    {"[{name: m, includeWhen: '1', manifest: {" + header + "}}]", "spec.manifests[0].includeWhen", "must be true or false, not int"},
		"no kind":                           {"[{name: m, manifest: {apiVersion: v1, metadata: {name: x}}}]", "spec.manifests[0].manifest.kind", "every object has one"},
		"a kind that depends":               {"[{name: m, manifest: {apiVersion: v1, kind: '${ record.name }', metadata: {name: x}}}]", "spec.manifests[0].manifest.kind", "cannot be an expression"},
		"an apiVersion that is none":        {"[{name: m, manifest: {apiVersion: a/b/c, kind: A, metadata: {name: x}}}]", "spec.manifests[0].manifest.apiVersion", "unexpected GroupVersion"},
		"no name":                           {"[{name: m, manifest: {apiVersion: v1, kind: ConfigMap}}]", "spec.manifests[0].manifest.metadata.name", "give the object a name"},
		"a name that is none":               {"[{name: m, manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: A_B}}}]", "spec.manifests[0].manifest.metadata.name", "lowercase"},
		"a namespace":                       {"[{name: m, manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: kube-system}}}]", "spec.manifests[0].manifest.metadata.namespace", "remove it"},
		"an owner":                          {"[{name: m, manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: x, ownerReferences: []}}}]", "spec.manifests[0].manifest.metadata.ownerReferences", "remove it"},
		"a finalizer":                       {"[{name: m, manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: x, finalizers: [a/b]}}}]", "spec.manifests[0].manifest.metadata.finalizers", "name, labels and annotations only"},
		"a status":                          {"[{name: m, manifest: {" + header + ", status: {}}}]", "spec.manifests[0].manifest.status", "for others to write"},
		"a kind outside of namespaces":      {"[{name: m, manifest: {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: x}}}]", "spec.manifests[0].manifest.kind", "outside of namespaces"},
		"an object of OaaS":                 {"[{name: m, manifest: {apiVersion: oaas.io/v1alpha1, kind: DeploymentRecord, metadata: {name: x}}}]", "spec.manifests[0].manifest.apiVersion", "objects of OaaS"},
		"no manifests":                      {"[]", "spec.manifests", "at least one"},
		"nesting without an end":            {"[{name: m, manifest: {" + header + ", a: " + strings.Repeat("[", 70) + strings.Repeat("]", 70) + "}}]", "", "nests deeper"},
		"an expression that is too long":    {"[{name: m, manifest: {" + header + ", a: '${ " + strings.Repeat("1 + ", 1100) + "1 }'}}]", "spec.manifests[0].manifest.a", "exceeds"},
		"an expression that nests too deep": {"[{name: m, manifest: {" + header + ", a: '${ " + strings.Repeat("[", 70) + strings.Repeat("]", 70) + " }'}}]", "spec.manifests[0].manifest.a", "recursion"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, problems := Compile("test", specOf(t, tc.manifests))
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

// TestSizesThatNoReplicaCanHaveAreRefused holds that a template is told of its own
// mistake, instead of each record that gets it. What reserves less than nothing would
// also make room in quotas.
func TestSizesThatNoReplicaCanHaveAreRefused(t *testing.T) {
	list := func(name corev1.ResourceName, size string) corev1.ResourceList {
		return corev1.ResourceList{name: resource.MustParse(size)}
	}
	for sentence, test := range map[string]struct {
		sizes v1alpha1.FunctionResources
		field string
	}{
		"a request of less than nothing":     {v1alpha1.FunctionResources{Requests: list("cpu", "-1")}, "requests[cpu]"},
		"a limit of less than nothing":       {v1alpha1.FunctionResources{Limits: list("memory", "-1Gi")}, "limits[memory]"},
		"a request that exceeds its limit":   {v1alpha1.FunctionResources{Requests: list("cpu", "2"), Limits: list("cpu", "1")}, "requests[cpu]"},
		"a resource whose name is no name":   {v1alpha1.FunctionResources{Limits: list("a b", "1")}, "limits[a b]"},
		"a request and a limit that fit":     {v1alpha1.FunctionResources{Requests: list("cpu", "1"), Limits: list("cpu", "1")}, ""},
		"devices":                            {v1alpha1.FunctionResources{Limits: list("example.com/gpu", "1")}, ""},
		"a request without a limit, of zero": {v1alpha1.FunctionResources{Requests: list("cpu", "0")}, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			spec := specOf(t, "[{name: m, manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: x}}}]")
			spec.ResourceRequirements = test.sizes
			_, problems := Compile("sized", spec)
			var fields []string
			for _, problem := range problems {
				fields = append(fields, problem.Field)
			}
			var want []string
			if test.field != "" {
				want = []string{"spec.resourceRequirements." + test.field}
			}
			if diff := cmp.Diff(want, fields); diff != "" {
				t.Errorf("problems (-want +got):\n%s\n%v", diff, problems)
			}
		})
	}
}

// TestTemplatesFitBesideTheirRevisions holds that a template is small enough for its
// status, which holds the content once more for each revision in use: one that does not
// fit would never have a status, and no record would ever take it.
func TestTemplatesFitBesideTheirRevisions(t *testing.T) {
	compile := func(manifests, size int) field.ErrorList {
		spec := &v1alpha1.DeploymentTemplateSpec{Type: v1alpha1.TemplateTypeCustom}
		for i := range manifests {
			spec.Manifests = append(spec.Manifests, v1alpha1.TemplateManifest{
				Name: fmt.Sprintf("m%d", i),
				Manifest: runtime.RawExtension{Raw: fmt.Appendf(nil,
					`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m%d"},"data":{"a":%q}}`, i, strings.Repeat("a", size))},
			})
		}
		_, problems := Compile("large", spec)
		return problems
	}
	if problems := compile(2, 100<<10); len(problems) > 0 {
		t.Errorf("200 KiB: %v", problems)
	}
	problems := compile(3, 100<<10)
	if len(problems) != 1 || problems[0].Field != "spec.manifests[2].manifest" || problems[0].Type != field.ErrorTypeTooLong {
		t.Errorf("300 KiB: problems = %v, want one of the manifest that exceeds the bound", problems)
	}
}
