// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package template

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// TestHostileTemplates holds that no template stalls or fills the program.
func TestHostileTemplates(t *testing.T) {
	many := "lists.range(10000)"
	cases := map[string]string{
		"lists in lists":               "${ " + many + ".map(a, " + many + ".map(b, a * b)).size() }",
		"a list that is too long":      "${ lists.range(1000000000) }",
		"lists that double":            "${ [1]" + strings.Repeat(".map(x, [x, x])", 60) + " }",
		"doubled lists compared":       "${ [1]" + strings.Repeat(".map(x, [x, x])", 60) + " == dyn([[1]]) }",
		"maps that double":             "${ [{'a': 1}]" + strings.Repeat(".map(x, {'a': x, 'b': x})", 60) + " }",
		"optionals that double":        "${ optional.of(dyn(1))" + strings.Repeat(".optMap(x, dyn([x, x]))", 60) + " }",
		"text that grows":              "${ 'aaaaaaaaaa'" + strings.Repeat(".replace('a', 'aaaaaaaaaa')", 60) + " }",
		"text that grows by its gaps":  "${ " + many + ".map(x, 'aaaaaaaaaaaaaaaaaaaa').join('" + strings.Repeat("b", 3000) + "').size() }",
		"text that is put together":    "${ " + many + ".map(x, 'a').join('').split('').map(x, '" + strings.Repeat("b", 3000) + "').join('') }",
		"sets of large lists":          "${ sets.contains(" + many + ", " + many + ") }",
		"distinct of a large list":     "${ " + many + ".distinct().size() }",
		"deep values":                  "${ [dyn(1)]" + strings.Repeat(".map(x, dyn([x]))", 100) + " }",
		"a large object":               "${ lists.range(600).map(x, '" + strings.Repeat("b", 2000) + "') }",
		"a pattern over long text":     "${ 'aaaaaaaaaa'" + strings.Repeat(".replace('a', 'aaaaaaaaaa')", 4) + ".matches('" + strings.Repeat("(a*)*", 500) + "b') }",
		"a long text in characters":    "${ 'aaaaaaaaaa'" + strings.Repeat(".replace('a', 'aaaaaaaaaa')", 5) + ".split('').size() }",
		"merged maps that double":      "${ [{'a': 1}]" + strings.Repeat(".map(x, {'a': x, 'b': x}).map(x, merge(x, x))", 25) + " }",
		"many functions in sets":       "${ sets.contains([" + strings.Repeat("functions, ", 300) + "functions], [functions]) }",
		"shared values as text":        "${ [[1]" + strings.Repeat(".map(x, [x, x])", 15) + "].map(v, '" + strings.Repeat("%s", 700) + "'.format([" + strings.Repeat("v,", 699) + "v]).size()) }",
		"shared values in a flat list": "${ [[1]" + strings.Repeat(".map(x, [x, x])", 15) + "].map(v, [" + strings.Repeat("v,", 699) + "v].flatten(20).size()) }",
		"a precision without bound":    "${ '%.2000000000f'.format([1.0]) }",
	}
	in := input()
	for range 510 {
		in.Functions = append(in.Functions, in.Functions[0])
	}
	for name, value := range cases {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			compiled, problems := Compile("test", valueSpec(t, value))
			err := error(problems.ToAggregate())
			if len(problems) == 0 {
				_, err = compiled.Render(in)
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
