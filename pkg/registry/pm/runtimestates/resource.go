// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package runtimestates stores the resource runtimestates: how units are doing,
// as their clusters report it. Users read and delete them; the Package Manager
// itself is the only one to write them, through States.
package runtimestates

import (
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/apis/pm/validation"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

// resource describes runtime states. Spec and status have the same writer.
func resource() *stored.Resource[*pm.RuntimeState, pm.RuntimeStateSpec, pm.RuntimeStateStatus] {
	return &stored.Resource[*pm.RuntimeState, pm.RuntimeStateSpec, pm.RuntimeStateStatus]{
		Resource: resources.Named(resources.RuntimeStates),
		Versions: []schema.GroupVersion{v1alpha1.SchemeGroupVersion},

		New:         func() *pm.RuntimeState { return &pm.RuntimeState{} },
		NewList:     func() runtime.Object { return &pm.RuntimeStateList{} },
		Spec:        func(s *pm.RuntimeState) *pm.RuntimeStateSpec { return &s.Spec },
		Status:      func(s *pm.RuntimeState) *pm.RuntimeStateStatus { return &s.Status },
		FieldValues: selectableFields,
		Columns:     columns(),

		Validate:       validation.ValidateRuntimeState,
		ValidateUpdate: validation.ValidateRuntimeStateUpdate,
		ValidateStatus: func(updated, old *pm.RuntimeState) field.ErrorList {
			return validation.ValidateRuntimeStateUpdate(updated, old)
		},
		Warnings: func(*pm.RuntimeState) []string { return nil },
	}
}

func selectableFields(s *pm.RuntimeState) fields.Set {
	return fields.Set{
		"spec.cluster":         s.Spec.Cluster,
		"spec.environment":     s.Spec.Environment,
		"spec.packageName":     s.Spec.PackageName,
		"spec.classKey":        s.Spec.ClassKey,
		"spec.classDeployment": s.Spec.ClassDeployment,
		"status.health":        string(s.Status.Health),
	}
}
