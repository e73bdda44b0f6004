// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pods has what all pods of a record share, whether they run a function or a
// node of the data grid: where they run, and what they may not do.
package pods

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// Nobody is the user and the group that containers run as, and the group that owns
// their volumes. An image that names no user would run as root, which runAsNonRoot
// refuses, and for one that names its user in words the kubelet cannot tell; a fixed
// number serves both. It is the user that distroless and ko images have.
const Nobody = 65532

// Spec is a pod without containers, placed as an environment wants it. With the
// containers' own contexts it keeps the Pod Security Standard "restricted".
func Spec(scheduling v1alpha1.Scheduling) corev1.PodSpec {
	scheduling = *scheduling.DeepCopy()
	spec := corev1.PodSpec{
		// Nothing in them talks to Kubernetes; a token would only be there to steal.
		AutomountServiceAccountToken: new(false),
		// Variables for every Service of the namespace, of which each record brings
		// some, would clash with those that programs read, such as ODGM_SERVICE_HOST,
		// and with some thousand Services no program starts: they exceed what Linux
		// allows.
		EnableServiceLinks: new(false),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot:   new(true),
			RunAsUser:      ptr.To[int64](Nobody),
			RunAsGroup:     ptr.To[int64](Nobody),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		NodeSelector:      scheduling.NodeSelector,
		Tolerations:       scheduling.Tolerations,
		PriorityClassName: scheduling.PriorityClassName,
	}
	if scheduling.RuntimeClassName != "" {
		spec.RuntimeClassName = new(scheduling.RuntimeClassName)
	}
	for _, name := range scheduling.ImagePullSecrets {
		spec.ImagePullSecrets = append(spec.ImagePullSecrets, corev1.LocalObjectReference{Name: name})
	}
	return spec
}

// WithVolumes makes the volumes of a pod belong to its user.
func WithVolumes(spec *corev1.PodSpec) {
	spec.SecurityContext.FSGroup = ptr.To[int64](Nobody)
	// Changing the owner of a large volume takes minutes, and is needed once.
	spec.SecurityContext.FSGroupChangePolicy = ptr.To(corev1.FSGroupChangeOnRootMismatch)
}
