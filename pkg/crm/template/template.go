// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package template turns the manifests of a DeploymentTemplate into objects. Every
// expression is type-checked when the template is compiled; rendering is pure and
// bounded in time and memory, whatever the template says.
package template

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

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

	manifests []manifest
	// when is nil for a template that always matches.
	when *expression
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

// Kinds are the kinds that the template makes, in the order of its manifests, each
// once. A kind is optional when every manifest that makes it is.
func (t *Template) Kinds() []Kind {
	var kinds []Kind
	for i := range t.manifests {
		m := &t.manifests[i]
		known := slices.IndexFunc(kinds, func(k Kind) bool { return k.GroupVersionKind == m.kind })
		if known < 0 {
			kinds = append(kinds, Kind{GroupVersionKind: m.kind, Optional: m.spec.Optional})
			continue
		}
		kinds[known].Optional = kinds[known].Optional && m.spec.Optional
	}
	return kinds
}
