// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package oaasfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "sigs.k8s.io/json"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// isManifest tells a Kubernetes manifest from a plain document. One of the two
// fields is enough, so that a manifest that lacks the other is told so.
func isManifest(root *yaml.Node) bool {
	_, hasVersion := find(root, "apiVersion")
	_, hasKind := find(root, "kind")
	return hasVersion || hasKind
}

// manifestParser passes manifests on as they are. Those of the Package Manager
// are compared with its types first, so that a typing mistake is found with its
// line before anything is sent.
type manifestParser struct {
	file     string
	strict   bool
	sources  []Source
	problems []Problem
	warnings []Problem
}

func (m *manifestParser) refuse(line int, field, format string, args ...any) {
	m.problems = append(m.problems, Problem{File: m.file, Line: line, Field: field, Message: fmt.Sprintf(format, args...)})
}

// parse adds the manifest; a List is taken apart.
func (m *manifestParser) parse(root *yaml.Node) {
	for _, name := range []string{"apiVersion", "kind"} {
		e, ok := find(root, name)
		if !ok || isNull(e.value) {
			m.refuse(root.Line, name, "missing: a Kubernetes manifest needs apiVersion and kind, the plain form has neither")
			return
		}
		if value := resolve(e.value); value.Kind != yaml.ScalarNode || value.ShortTag() != "!!str" {
			m.refuse(e.line, name, "%s where text is expected", describe(value))
			return
		}
	}
	kind, _ := find(root, "kind")
	if items, ok := find(root, "items"); ok && strings.HasSuffix(resolve(kind.value).Value, "List") {
		m.parseItems(items)
		return
	}
	content, err := toJSON(root)
	if err != nil {
		m.refuse(root.Line, "", "%v", err)
		return
	}
	u := &unstructured.Unstructured{Object: content.(map[string]any)}
	if u.GetName() == "" {
		m.refuse(root.Line, "metadata.name", "missing: it is required")
		return
	}
	m.compare(root, u)
	m.sources = append(m.sources, Source{Object: u, Line: root.Line, locate: locateManifest(root)})
}

func (m *manifestParser) parseItems(items entry) {
	list := resolve(items.value)
	if list.Kind != yaml.SequenceNode {
		m.refuse(items.line, "items", "%s where a list is expected", describe(list))
		return
	}
	for _, item := range list.Content {
		if item = resolve(item); item.Kind != yaml.MappingNode {
			m.refuse(item.Line, "items", "%s where an object is expected", describe(item))
			continue
		}
		m.parse(item)
	}
}

// compare decodes a manifest of the Package Manager into its type.
func (m *manifestParser) compare(root *yaml.Node, u *unstructured.Unstructured) {
	into := typeFor(u)
	if into == nil {
		return
	}
	data, err := json.Marshal(u.Object)
	if err != nil {
		m.refuse(root.Line, "", "cannot be written as JSON: %v", err)
		return
	}
	strictErrors, err := kjson.UnmarshalStrict(data, into)
	var typeError *json.UnmarshalTypeError
	switch {
	case errors.As(err, &typeError):
		m.refuse(mistyped(root, typeError), typeError.Field, "a value of type %s stands where %s is expected", typeError.Value, expected(typeError))
		return
	case err != nil:
		m.refuse(root.Line, "", "does not fit kind %s: %v", u.GetKind(), err)
		return
	}
	for _, err := range strictErrors {
		p := unknownInManifest(m.file, root, err)
		if m.strict {
			m.problems = append(m.problems, p)
		} else {
			m.warnings = append(m.warnings, p)
		}
	}
}

// typeFor is an empty object of the manifest's type; nil when the manifest is
// not of a type that this program knows.
func typeFor(u *unstructured.Unstructured) runtime.Object {
	if u.GetAPIVersion() != pmv1alpha1.SchemeGroupVersion.String() {
		return nil
	}
	switch u.GetKind() {
	case "Package":
		return &pmv1alpha1.Package{}
	case "ClassDeployment":
		return &pmv1alpha1.ClassDeployment{}
	case "Cluster":
		return &pmv1alpha1.Cluster{}
	}
	return nil
}

// strictField finds the path in the message of a strict decoding error.
var strictField = regexp.MustCompile(`^unknown field "(.*)"$`)

func unknownInManifest(file string, root *yaml.Node, err error) Problem {
	found := strictField.FindStringSubmatch(err.Error())
	if found == nil {
		return Problem{File: file, Line: root.Line, Message: err.Error()}
	}
	path := found[1]
	message := "unknown field"
	if _, last, _ := cutLast(path, "."); strings.Contains(last, "_") {
		message += ": a manifest is in camelCase, the plain form without apiVersion and kind in snake_case"
	}
	return Problem{File: file, Line: lineOf(root, path), Field: path, Message: message}
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// lineOf is the line of a field such as spec.classes[0].key, or of its nearest
// parent that can be found.
func lineOf(root *yaml.Node, path string) int {
	line := root.Line
	node := root
	for _, step := range splitPath(path) {
		name, index, _ := strings.Cut(step, "[")
		e, ok := find(resolve(node), name)
		if !ok {
			return line
		}
		line, node = e.line, resolve(e.value)
		if i, err := strconv.Atoi(strings.TrimSuffix(index, "]")); err == nil && node.Kind == yaml.SequenceNode && i < len(node.Content) {
			node = resolve(node.Content[i])
			line = node.Line
		}
	}
	return line
}

// mistyped is the line of the first value at the error's path, which carries no
// indices, whose type is the one that the error complains of.
func mistyped(root *yaml.Node, err *json.UnmarshalTypeError) int {
	line := root.Line
	var visit func(n *yaml.Node, at int, path []string) bool
	visit = func(n *yaml.Node, at int, path []string) bool {
		n = resolve(n)
		if n.Kind == yaml.SequenceNode && len(path) > 0 {
			for _, item := range n.Content {
				if visit(item, item.Line, path) {
					return true
				}
			}
			return false
		}
		if len(path) == 0 {
			line = at
			return strings.HasPrefix(err.Value, jsonType(n))
		}
		e, ok := find(n, path[0])
		return ok && visit(e.value, e.line, path[1:])
	}
	visit(root, root.Line, strings.Split(err.Field, "."))
	return line
}

func jsonType(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "object"
	case n.Kind == yaml.SequenceNode:
		return "array"
	case n.ShortTag() == "!!int" || n.ShortTag() == "!!float":
		return "number"
	case n.ShortTag() == "!!bool":
		return "bool"
	}
	return "string"
}

// expected names the type that a field has in the words of its API.
func expected(err *json.UnmarshalTypeError) string {
	name := err.Type.Kind().String()
	switch {
	case strings.HasPrefix(name, "int"):
		return "an integer"
	case name == "string":
		return "a string (put it in quotes)"
	case name == "bool":
		return "true or false"
	case name == "slice":
		return "a list"
	}
	return "an object"
}

// toJSON turns a node into the values that Kubernetes decodes JSON into.
func toJSON(n *yaml.Node) (any, error) {
	n = resolve(n)
	switch n.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		for _, e := range entries(n) {
			value, err := toJSON(e.value)
			if err != nil {
				return nil, err
			}
			out[e.name] = value
		}
		return out, nil
	case yaml.SequenceNode:
		out := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			value, err := toJSON(item)
			if err != nil {
				return nil, err
			}
			out = append(out, value)
		}
		return out, nil
	default:
		return scalarToJSON(n)
	}
}

func scalarToJSON(n *yaml.Node) (any, error) {
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		return decodeAs[bool](n)
	case "!!int":
		return decodeAs[int64](n)
	case "!!float":
		f, err := decodeAs[float64](n)
		if err == nil && (math.IsInf(f, 0) || math.IsNaN(f)) {
			err = fmt.Errorf("line %d: %s is not a number that JSON can carry", n.Line, n.Value)
		}
		return f, err
	}
	// Dates too: JSON has no other form for them.
	return n.Value, nil
}

func decodeAs[T any](n *yaml.Node) (T, error) {
	var value T
	if err := n.Decode(&value); err != nil {
		return value, fmt.Errorf("line %d: %q cannot be read: %w", n.Line, n.Value, err)
	}
	return value, nil
}
