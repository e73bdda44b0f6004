// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package nfr

import (
	corev1 "k8s.io/api/core/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// Ceiling is what the cluster allows a function of a record. The zero value is no
// ceiling.
type Ceiling struct {
	// MaxReplicas of the function, whatever is asked for; 0 means no ceiling.
	MaxReplicas int32
	// MaxResources of one replica; what is absent has no ceiling.
	MaxResources corev1.ResourceList
}

// Size is how many replicas of a function run.
type Size struct {
	// Replicas that a workload of a fixed size has. At least 1, since nothing would
	// wake a function that has no replica, unless the function is stopped: then 0.
	Replicas int32
	// Min and Max bound a workload that follows the load. Min is 0 where nobody asks
	// for a replica that waits: a workload that cannot scale to zero uses Replicas.
	// Max is at least 1, unless the function is stopped.
	Min, Max int32
}

// Stopped tells that the function's own maximum is 0.
func (s Size) Stopped() bool { return s.Max == 0 }

// Size of a function under a ceiling.
func (a Analysis) Size(container *v1alpha1.FunctionContainer, ceiling Ceiling) Size {
	least, most := a.MinReplicas, a.MaxReplicas
	if container.MinReplicas != nil {
		least = *container.MinReplicas
	}
	if container.MaxReplicas != nil {
		most = *container.MaxReplicas
		if most == 0 {
			return Size{}
		}
	}
	if most == 0 {
		// No bound was planned: the function stays at its minimum.
		most = max(least, 1)
	}
	if ceiling.MaxReplicas > 0 {
		most = min(most, ceiling.MaxReplicas)
	}
	least = max(min(least, most), 0)
	return Size{Replicas: max(least, 1), Min: least, Max: most}
}
