// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package classdeployments stores the resource classdeployments: what users ask
// to run.
package classdeployments

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/apis/pm/validation"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

// packageField is the field by which the deployments of a package are found.
const packageField = "spec.packageName"

// resource describes class deployments: users write the spec, the
// classdeployment controller writes the status.
func resource() *stored.Resource[*pm.ClassDeployment, pm.ClassDeploymentSpec, pm.ClassDeploymentStatus] {
	return &stored.Resource[*pm.ClassDeployment, pm.ClassDeploymentSpec, pm.ClassDeploymentStatus]{
		Resource: resources.Named(resources.ClassDeployments),
		Versions: []schema.GroupVersion{v1alpha1.SchemeGroupVersion},

		New:         func() *pm.ClassDeployment { return &pm.ClassDeployment{} },
		NewList:     func() runtime.Object { return &pm.ClassDeploymentList{} },
		Spec:        func(d *pm.ClassDeployment) *pm.ClassDeploymentSpec { return &d.Spec },
		Status:      func(d *pm.ClassDeployment) *pm.ClassDeploymentStatus { return &d.Status },
		FieldValues: selectableFields,
		Columns:     columns(),
		Indexed:     []string{packageField},

		Prepare:        keepUntilUndeployed,
		Validate:       validation.ValidateClassDeployment,
		ValidateUpdate: validation.ValidateClassDeploymentUpdate,
		ValidateStatus: validation.ValidateClassDeploymentStatusUpdate,
		Warnings:       validation.ClassDeploymentWarnings,
	}
}

// keepUntilUndeployed sets the finalizer with the write itself. Were it left to
// the controller's first pass, an object deleted before that pass, or replaced
// by a manifest that does not list it, could vanish while clusters still run its
// units. Once deletion has begun only removals are possible, so an administrator
// can still give up on a cluster that is never coming back.
func keepUntilUndeployed(_ context.Context, d *pm.ClassDeployment) {
	if d.DeletionTimestamp != nil || slices.Contains(d.Finalizers, pm.ClassDeploymentFinalizer) {
		return
	}
	d.Finalizers = append(d.Finalizers, pm.ClassDeploymentFinalizer)
}

func selectableFields(d *pm.ClassDeployment) fields.Set {
	return fields.Set{
		packageField:    d.Spec.PackageName,
		"spec.classKey": d.Spec.ClassKey,
		"status.phase":  string(d.Status.Phase),
	}
}
