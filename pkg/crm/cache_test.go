// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

func TestCachedPodsTellWhichRevisionTheyAreOf(t *testing.T) {
	made := metav1.NewTime(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: "echo", CreationTimestamp: made,
		Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.FieldManagerReconciler},
		OwnerReferences: []metav1.OwnerReference{
			{UID: "bystander"},
			{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "echo", UID: "revision", Controller: new(true)},
		},
	}}
	trimmed, err := trimPod(pod)
	if err != nil {
		t.Fatal(err)
	}
	got := trimmed.(*corev1.Pod)
	if owner := metav1.GetControllerOfNoCopy(got); owner == nil || owner.UID != "revision" {
		t.Errorf("the owner of the cached pod is %+v, want the ReplicaSet", owner)
	}
	if !got.CreationTimestamp.Equal(&made) {
		t.Errorf("the cached pod was made at %s, want %s", got.CreationTimestamp, made)
	}
}
