// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package applyset marks a record and its children as what kubectl calls an apply
// set, so that tools which know apply sets can list them.
package applyset

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// Labels and annotations, as kubectl writes them.
const (
	// LabelID marks the parent of an apply set with the set's identity.
	LabelID = "applyset.kubernetes.io/id"
	// LabelPartOf marks the members with the same identity.
	LabelPartOf = "applyset.kubernetes.io/part-of"
	// AnnotationTooling tells who looks after the set.
	AnnotationTooling = "applyset.kubernetes.io/tooling"
	// AnnotationKinds lists the kinds of the members. It may list more.
	AnnotationKinds = "applyset.kubernetes.io/contains-group-kinds"
)

// tooling is what looks after the apply sets of records.
const tooling = "oaas-crm/v1"

// commonKinds are listed from the beginning: adding a kind later costs a write.
func commonKinds() []string {
	return []string{
		"ConfigMap", "Deployment.apps", "HorizontalPodAutoscaler.autoscaling", "NetworkPolicy.networking.k8s.io",
		"PodDisruptionBudget.policy", "Service", "StatefulSet.apps",
	}
}

// ID is the identity that kubectl gives to the apply set of a record.
func ID(record metav1.Object) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{
		record.GetName(), record.GetNamespace(), v1alpha1.KindDeploymentRecord, v1alpha1.SchemeGroupVersion.Group,
	}, ".")))
	return "applyset-" + base64.RawURLEncoding.EncodeToString(sum[:]) + "-v1"
}

// Mark makes a record the parent of an apply set with members of the given kinds,
// of common ones and of those that it lists already, and tells whether that changed
// it.
func Mark(record *metav1.ObjectMeta, kinds ...schema.GroupKind) bool {
	listed := commonKinds()
	if before := record.Annotations[AnnotationKinds]; before != "" {
		listed = append(listed, strings.Split(before, ",")...)
	}
	for _, kind := range kinds {
		listed = append(listed, kind.String())
	}
	slices.Sort(listed)
	wanted := strings.Join(slices.Compact(listed), ",")
	if record.Labels[LabelID] == ID(record) && record.Annotations[AnnotationTooling] == tooling && record.Annotations[AnnotationKinds] == wanted {
		return false
	}
	metav1.SetMetaDataLabel(record, LabelID, ID(record))
	metav1.SetMetaDataAnnotation(record, AnnotationTooling, tooling)
	metav1.SetMetaDataAnnotation(record, AnnotationKinds, wanted)
	return true
}
