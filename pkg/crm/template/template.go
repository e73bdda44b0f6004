// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package template turns the manifests of a DeploymentTemplate into objects. Every
// expression is type-checked when the template is compiled; rendering is pure and
// bounded in time and memory, whatever the template says.
package template

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// Template is a compiled DeploymentTemplateSpec. It is safe for concurrent use.
type Template struct {
	// Name of the DeploymentTemplate.
	Name string
	// Hash of the content it was compiled from.
	Hash string
	// Spec it was compiled from, for reading only.
	Spec *v1alpha1.DeploymentTemplateSpec
}

// Kind is a kind that a template makes.
type Kind struct {
	schema.GroupVersionKind
	// Optional kinds are left out where the cluster does not serve them.
	Optional bool
}

// Object is an object as a manifest made it.
type Object struct {
	// Manifest is the name of the manifest.
	Manifest string
	// Content of the object. Nothing in it is shared with the input.
	Content map[string]any
	// Function is the key of the function that the object was made for; empty for an
	// object that belongs to the record as a whole.
	Function string
	// Roles of the object for its function.
	Roles []v1alpha1.ManifestRole
	// Keep marks user data.
	Keep bool
	// Optional objects are left out where the cluster does not serve their kind.
	Optional bool
}

// Compile checks a template and prepares it for rendering. The errors name the
// field of the spec, and are of type *Error where an expression is at fault.
func Compile(name string, spec *v1alpha1.DeploymentTemplateSpec) (*Template, field.ErrorList) {
	return &Template{Name: name, Spec: spec, Hash: Hash(spec)}, nil
}

// Kinds are the kinds that the template makes, in the order of its manifests, each
// once. A kind is optional when every manifest that makes it is.
func (t *Template) Kinds() []Kind { return nil }

// Matches evaluates selectionCriteria.when over the record and the requests of its
// functions. A template without the expression matches always.
func (t *Template) Matches(input Input) (bool, error) { return true, nil }

// Render makes the objects of a record. The error is of type *Error.
func (t *Template) Render(input Input) ([]Object, error) { return nil, nil }
