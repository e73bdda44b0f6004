// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package clusters stores the resource clusters: where deployments can run.
package clusters

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

// resource describes clusters: administrators write the spec, the cluster
// controller writes the status.
func resource() *stored.Resource[*pm.Cluster, pm.ClusterSpec, pm.ClusterStatus] {
	return &stored.Resource[*pm.Cluster, pm.ClusterSpec, pm.ClusterStatus]{
		Resource: resources.Named(resources.Clusters),
		Versions: []schema.GroupVersion{v1alpha1.SchemeGroupVersion},

		New:         func() *pm.Cluster { return &pm.Cluster{} },
		NewList:     func() runtime.Object { return &pm.ClusterList{} },
		Spec:        func(c *pm.Cluster) *pm.ClusterSpec { return &c.Spec },
		Status:      func(c *pm.Cluster) *pm.ClusterStatus { return &c.Status },
		FieldValues: selectableFields,
		Columns:     columns(),

		Validate:       validation.ValidateCluster,
		ValidateUpdate: validation.ValidateClusterUpdate,
		ValidateStatus: validation.ValidateClusterStatusUpdate,
		Warnings:       validation.ClusterWarnings,
	}
}

func selectableFields(c *pm.Cluster) fields.Set {
	return fields.Set{
		"spec.region":        c.Spec.Region,
		"spec.unschedulable": strconv.FormatBool(c.Spec.Unschedulable),
		"status.health":      string(c.Status.Health),
	}
}
