// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package functions serves the resource functions: the functions of all packages,
// to be read only.
package functions

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

// NewStorage serves the functions of packages.
func NewStorage(packages *parts.Packages) *computed.REST[*pm.Function] {
	return parts.NewStorage(packages, kind())
}

func kind() *parts.Kind[*pm.Function, pm.FunctionDefinition] {
	return &parts.Kind[*pm.Function, pm.FunctionDefinition]{
		Resource:    resources.Named(resources.Functions),
		Definitions: func(p *pm.Package) []pm.FunctionDefinition { return p.Spec.Functions },
		Key:         func(d *pm.FunctionDefinition) string { return d.Key },
		Make: func(meta metav1.ObjectMeta, p *pm.Package, d *pm.FunctionDefinition) *pm.Function {
			return &pm.Function{ObjectMeta: meta, Spec: pm.FunctionSpec{
				PackageName: p.Name, PackageVersion: p.Spec.Version, PackageDisabled: p.Spec.Disabled, FunctionDefinition: *d,
			}}
		},
		New: func() *pm.Function { return &pm.Function{} },
		NewList: func(items []*pm.Function) runtime.Object {
			list := &pm.FunctionList{Items: make([]pm.Function, len(items))}
			for i, item := range items {
				list.Items[i] = *item
			}
			return list
		},
		FieldValues: func(f *pm.Function) fields.Set {
			return fields.Set{
				"spec.packageName": f.Spec.PackageName,
				"spec.key":         f.Spec.Key,
				"spec.type":        string(f.Spec.Type),
				"spec.disabled":    strconv.FormatBool(f.Spec.Disabled),
			}
		},
		Columns: columns(),
	}
}

func columns() []stored.Column[*pm.Function] {
	return []stored.Column[*pm.Function]{
		{
			Name: "Package", Type: "string", Description: "Package that defines the function.",
			Cell: func(f *pm.Function) any { return f.Spec.PackageName },
		},
		{
			Name: "Type", Type: "string", Description: "How the function is implemented.",
			Cell: func(f *pm.Function) any { return string(f.Spec.Type) },
		},
		{
			Name: "Image", Type: "string", Description: "Container image, or the URL of the WebAssembly module.",
			Cell: func(f *pm.Function) any { return implementation(f.Spec.Provision) },
		},
		{
			Name: "Disabled", Type: "boolean", Description: "Whether new deployments that need the function are refused.",
			Cell: func(f *pm.Function) any { return f.Spec.Disabled || f.Spec.PackageDisabled },
		},
		{
			Name: "Port", Type: "integer", Priority: stored.Wide, Description: "Port that the container listens on.",
			Cell: func(f *pm.Function) any { return port(f.Spec.Provision) },
		},
		{
			Name: "Description", Type: "string", Priority: stored.Wide, Description: "What the function does.",
			Cell: func(f *pm.Function) any { return f.Spec.Description },
		},
	}
}

func implementation(provision *pm.FunctionProvision) string {
	switch {
	case provision == nil:
		return ""
	case provision.Image != "":
		return provision.Image
	default:
		return provision.WasmModuleURL
	}
}

func port(provision *pm.FunctionProvision) any {
	if provision == nil || provision.Port == 0 {
		return nil
	}
	return int64(provision.Port)
}
