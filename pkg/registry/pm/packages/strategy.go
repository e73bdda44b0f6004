// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package packages stores the resource packages: what developers publish.
package packages

import (
	"strconv"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/apis/pm/validation"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

// resource describes packages. Both halves of an object have one writer each:
// developers write the spec, the package controller writes the status.
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

		Validate:       validation.ValidatePackage,
		ValidateUpdate: validation.ValidatePackageUpdate,
		ValidateStatus: validation.ValidatePackageStatusUpdate,
		Warnings:       validation.PackageWarnings,
	}
}

func selectableFields(p *pm.Package) fields.Set {
	return fields.Set{
		"spec.disabled": strconv.FormatBool(p.Spec.Disabled),
		"spec.version":  p.Spec.Version,
	}
}
