// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Command apidocs writes docs/api.md: every resource, kind and field of both API
// groups, from the comments and markers of the Go types.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"oaas.io/oaas/pkg/apis/pm/resources"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: apidocs FILE")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "apidocs:", err)
		os.Exit(1)
	}
}

func write(path string) error {
	var page bytes.Buffer
	if err := render(&page); err != nil {
		return err
	}
	return os.WriteFile(path, page.Bytes(), 0o644) //nolint:gosec // a page of documentation is for everybody
}

// group is an API group and what makes its part of the page.
type group struct {
	name, version, dir, intro string
	// kinds in the order of the page.
	kinds []string
	// served tells of a kind what discovery does; empty for a kind without a
	// resource.
	served map[string]string
}

func groups() []group {
	aggregated := group{
		name: "pm.oaas.io", version: "v1alpha1", dir: "pkg/apis/pm/v1alpha1",
		intro:  "Served by the Package Manager, beside the API of Kubernetes.",
		served: map[string]string{},
	}
	for _, resource := range resources.All() {
		aggregated.kinds = append(aggregated.kinds, resource.Kind)
		aggregated.served[resource.Kind] = describe(resource)
	}
	aggregated.kinds = append(aggregated.kinds, "ClassDeploymentPlan", "ClassDeploymentRendering")
	aggregated.served["ClassDeploymentPlan"] = "Subresource `plan` of `classdeployments`, verb get."
	aggregated.served["ClassDeploymentRendering"] = "Subresource `render` of `classdeployments`, verbs get and create."
	return []group{aggregated, {
		name: "oaas.io", version: "v1alpha1", dir: "pkg/apis/oaas/v1alpha1",
		intro: "Custom resources of each cluster, kept by its Class Runtime Manager. Not for users to write.",
	}}
}

func describe(resource resources.Resource) string {
	var b strings.Builder
	scope := "namespaced"
	if resource.ClusterScoped {
		scope = "cluster-scoped"
	}
	fmt.Fprintf(&b, "Resource `%s` (%s)", resource.Plural, scope)
	if len(resource.ShortNames) > 0 {
		fmt.Fprintf(&b, ", short `%s`", strings.Join(resource.ShortNames, "`, `"))
	}
	fmt.Fprintf(&b, "; verbs %s.", strings.Join(resource.Verbs, ", "))
	for _, name := range slices.Sorted(maps.Keys(resource.Subresources)) {
		fmt.Fprintf(&b, " Subresource `%s`: %s.", name, strings.Join(resource.Subresources[name], ", "))
	}
	fmt.Fprintf(&b, " Field selectors: `%s`.", strings.Join(resource.Selectable(), "`, `"))
	return b.String()
}

func render(w io.Writer) error {
	fmt.Fprint(w, `# API reference

Made from the sources by `+"`make generate`"+`; `+"`kubectl explain`"+` tells the same of a running server. Every object has the
standard `+"`apiVersion`, `kind` and `metadata`"+`.
`)
	for _, group := range groups() {
		types, err := load(group.dir)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "\n## %s/%s\n\n%s\n", group.name, group.version, group.intro)
		kinds := group.kinds
		if len(kinds) == 0 {
			kinds = types.roots()
		}
		seen := map[string]bool{}
		for _, kind := range kinds {
			if types[kind] == nil {
				return fmt.Errorf("%s has no type %s: put right the table of resources", group.dir, kind)
			}
			fmt.Fprintf(w, "\n### %s%s\n\n%s\n", group.anchor(kind), kind, types[kind].doc)
			if served := group.served[kind]; served != "" {
				fmt.Fprintf(w, "\n%s\n", served)
			}
			if err := types.renderTree(w, group, kind, seen); err != nil {
				return err
			}
		}
	}
	return nil
}

// renderTree writes the fields of a type and of all types below it that were not
// written before.
func (t types) renderTree(w io.Writer, in group, name string, seen map[string]bool) error {
	if seen[name] {
		return nil
	}
	seen[name] = true
	fields, err := t.fieldsOf(name)
	if err != nil {
		return err
	}
	if len(fields) > 0 {
		fmt.Fprint(w, "\n| field | type | meaning |\n|---|---|---|\n")
		for _, field := range fields {
			fmt.Fprintf(w, "| `%s` | %s | %s |\n", field.name, t.link(in, field), cell(t.meaning(field)))
		}
	}
	for _, field := range fields {
		if below := t[field.elem]; below != nil && len(below.fields) > 0 && !seen[field.elem] {
			fmt.Fprintf(w, "\n#### %s%s\n\n%s\n", in.anchor(field.elem), field.elem, below.doc)
			if err := t.renderTree(w, in, field.elem, seen); err != nil {
				return err
			}
		}
	}
	return nil
}

// fieldsOf are the fields of a type as JSON has them: those of an embedded type
// stand in the place of the embedding.
func (t types) fieldsOf(name string) ([]field, error) {
	var all []field
	for _, field := range t[name].fields {
		if !field.inline {
			all = append(all, field)
			continue
		}
		if t[field.elem] == nil {
			continue // TypeMeta
		}
		embedded, err := t.fieldsOf(field.elem)
		if err != nil {
			return nil, err
		}
		all = append(all, embedded...)
	}
	for _, field := range all {
		if field.name == "" {
			return nil, errors.New("a field of " + name + " has no name in JSON")
		}
	}
	return all, nil
}

// id tells types of the same name in two groups apart.
func (g group) id(name string) string { return g.name + "-" + strings.ToLower(name) }

func (g group) anchor(name string) string { return `<a id="` + g.id(name) + `"></a>` }

func (t types) link(in group, f field) string {
	if below := t[f.elem]; below != nil && len(below.fields) > 0 {
		return strings.Replace(f.typeName, f.elem, "["+f.elem+"](#"+in.id(f.elem)+")", 1)
	}
	return f.typeName
}

// meaning is the comment with what the markers add to it.
func (t types) meaning(f field) string {
	parts := []string{f.doc}
	if values := t[f.elem]; values != nil && len(values.values) > 0 {
		parts = append(parts, "One of `"+strings.Join(values.values, "`, `")+"`.")
	}
	if len(f.rules) > 0 {
		parts = append(parts, "*"+strings.Join(f.rules, "; ")+".*")
	}
	return strings.Join(parts, " ")
}

func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}
