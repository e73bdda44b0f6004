// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package classes serves the resource classes: the classes of all packages, to be
// read only.
package classes

import (
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/registry/pm/computed"
	"oaas.io/oaas/pkg/registry/pm/computed/parts"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

// NewStorage serves the classes of packages.
func NewStorage(packages *parts.Packages) *computed.REST[*pm.Class] {
	return parts.NewStorage(packages, kind())
}

func kind() *parts.Kind[*pm.Class, pm.ClassDefinition] {
	return &parts.Kind[*pm.Class, pm.ClassDefinition]{
		Resource:    resources.Named(resources.Classes),
		Definitions: func(p *pm.Package) []pm.ClassDefinition { return p.Spec.Classes },
		Key:         func(d *pm.ClassDefinition) string { return d.Key },
		Make: func(meta metav1.ObjectMeta, p *pm.Package, d *pm.ClassDefinition) *pm.Class {
			return &pm.Class{ObjectMeta: meta, Spec: pm.ClassSpec{
				PackageName: p.Name, PackageVersion: p.Spec.Version, PackageDisabled: p.Spec.Disabled, ClassDefinition: *d,
			}}
		},
		New: func() *pm.Class { return &pm.Class{} },
		NewList: func(items []*pm.Class) runtime.Object {
			list := &pm.ClassList{Items: make([]pm.Class, len(items))}
			for i, item := range items {
				list.Items[i] = *item
			}
			return list
		},
		FieldValues: func(c *pm.Class) fields.Set {
			return fields.Set{
				"spec.packageName": c.Spec.PackageName,
				"spec.key":         c.Spec.Key,
				"spec.disabled":    strconv.FormatBool(c.Spec.Disabled),
			}
		},
		Columns: columns(),
	}
}

func columns() []stored.Column[*pm.Class] {
	return []stored.Column[*pm.Class]{
		{
			Name: "Package", Type: "string", Description: "Package that defines the class.",
			Cell: func(c *pm.Class) any { return c.Spec.PackageName },
		},
		{
			Name: "Version", Type: "string", Description: "Version of the package.",
			Cell: func(c *pm.Class) any { return c.Spec.PackageVersion },
		},
		{
			Name: "Methods", Type: "integer", Description: "Number of methods.",
			Cell: func(c *pm.Class) any { return int64(len(c.Spec.FunctionBindings)) },
		},
		{
			Name: "State", Type: "string", Description: "Consistency of the state of its objects, or Stateless.",
			Cell: func(c *pm.Class) any { return state(c.Spec.StateSpec) },
		},
		{
			Name: "Disabled", Type: "boolean", Description: "Whether new deployments of the class are refused.",
			Cell: func(c *pm.Class) any { return c.Spec.Disabled || c.Spec.PackageDisabled },
		},
		{
			Name: "Description", Type: "string", Priority: stored.Wide, Description: "What objects of the class stand for.",
			Cell: func(c *pm.Class) any { return c.Spec.Description },
		},
	}
}

func state(spec *pm.StateSpec) string {
	switch {
	case spec == nil:
		return "Stateless"
	case spec.ConsistencyModel == "":
		return string(pm.ConsistencyNone)
	default:
		return string(spec.ConsistencyModel)
	}
}
