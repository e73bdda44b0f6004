// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package packages stores the resource packages: what developers publish.
package packages

import (
	"context"
	"strconv"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/apis/pm/validation"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

// resource describes packages. Every part of an object has one writer: developers
// write the spec, the package controller writes the status, and the server itself
// keeps the list of dependents.
func resource() *stored.Resource[*pm.Package, pm.PackageSpec, pm.PackageStatus] {
	return &stored.Resource[*pm.Package, pm.PackageSpec, pm.PackageStatus]{
		Resource: resources.Named(resources.Packages),
		Versions: []schema.GroupVersion{v1alpha1.SchemeGroupVersion},

		New:         func() *pm.Package { return &pm.Package{} },
		NewList:     func() runtime.Object { return &pm.PackageList{} },
		Spec:        func(p *pm.Package) *pm.PackageSpec { return &p.Spec },
		Status:      func(p *pm.Package) *pm.PackageStatus { return &p.Status },
		FieldValues: selectableFields,
		Columns:     columns(),

		Prepare: nameThePackage,
		Keep:    keepOwn,
		KeptFields: []fieldpath.Path{
			fieldpath.MakePathOrDie("status", "dependents"),
			fieldpath.MakePathOrDie("status", "dependentCount"),
			fieldpath.MakePathOrDie("metadata", "annotations", pm.PackageDependedOnAnnotation),
		},
		Indexes: map[string]func(*pm.Package) []string{byDependency: dependenciesOf},

		Validate:       validation.ValidatePackage,
		ValidateUpdate: validation.ValidatePackageUpdate,
		ValidateStatus: validation.ValidatePackageStatusUpdate,
		Warnings:       validation.PackageWarnings,
	}
}

// nameThePackage spells out of which package the deployments of a package are.
func nameThePackage(_ context.Context, p *pm.Package) {
	for i := range p.Spec.Deployments {
		if spec := &p.Spec.Deployments[i].Spec; spec.PackageName == "" {
			spec.PackageName = p.Name
		}
	}
}

func selectableFields(p *pm.Package) fields.Set {
	return fields.Set{
		"spec.disabled": strconv.FormatBool(p.Spec.Disabled),
		"spec.version":  p.Spec.Version,
	}
}
