// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package oaasfile

import (
	"reflect"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime"
)

// Options change how a file is read.
type Options struct {
	// Strict refuses unknown fields, which are warnings otherwise.
	Strict bool
}

// Source is an object with the place that it was read from.
type Source struct {
	// Object is a *v1alpha1.Package or *v1alpha1.ClassDeployment from the plain
	// form, and an *unstructured.Unstructured from a manifest.
	Object runtime.Object
	// Line is where the object starts in its file, counted from 1.
	Line int

	locate func(apiPath string) (field string, line int)
}

// Result is what a file holds.
type Result struct {
	// Sources are the objects in the order of the file.
	Sources []Source
	// Warnings are what the file says and nobody reads, sorted by line.
	Warnings []Problem
}

// Objects are the objects of all sources.
func (r *Result) Objects() []runtime.Object {
	out := make([]runtime.Object, 0, len(r.Sources))
	for _, s := range r.Sources {
		out = append(out, s.Object)
	}
	return out
}

// Parse reads a file. The file name is only used in messages. A file with any
// problem yields no object; the error is an *Error that lists all problems. A
// file without documents yields none.
func Parse(file string, data []byte, options Options) (*Result, error) {
	docs, refused := load(file, data)
	if refused != nil {
		return nil, refused
	}
	result := &Result{}
	var problems, legacy []Problem
	for _, root := range docs {
		if root.Kind == yaml.MappingNode && isManifest(root) {
			m := manifestParser{file: file, strict: options.Strict}
			m.parse(root)
			result.Sources = append(result.Sources, m.sources...)
			result.Warnings = append(result.Warnings, m.warnings...)
			problems = append(problems, m.problems...)
			continue
		}
		if old := legacyProblems(file, root); len(old) > 0 {
			legacy = append(legacy, old...)
			continue
		}
		d := newDecoder(file)
		doc := &packageDoc{}
		d.decode(root, reflect.ValueOf(doc).Elem(), place{line: root.Line})
		sources := convert(d, doc)
		if options.Strict {
			d.problems = append(d.problems, d.unknown...)
		} else {
			d.warnings = append(d.warnings, d.unknown...)
		}
		result.Sources = append(result.Sources, sources...)
		result.Warnings = append(result.Warnings, d.warnings...)
		problems = append(problems, d.problems...)
	}
	// Problems of a document in the older form are about nothing but the form, so
	// they stand alone.
	if len(legacy) > 0 {
		sortProblems(legacy)
		return nil, &Error{Problems: legacy, Legacy: true}
	}
	if len(problems) > 0 {
		sortProblems(problems)
		return nil, &Error{Problems: problems}
	}
	sortProblems(result.Warnings)
	return result, nil
}
