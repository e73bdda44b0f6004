// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/controller/deploymentrecord"
)

// cacheOptions keeps the memory of caches in proportion to what is ours: of
// workloads only those that the reconciler made, of nodes and of other people's
// pods only what the cluster's health is summed up from.
func cacheOptions() cache.Options {
	ours := labels.SelectorFromSet(labels.Set{v1alpha1.LabelManagedBy: v1alpha1.FieldManagerReconciler})
	byObject := map[client.Object]cache.ByObject{
		&corev1.Pod{}:  {Transform: trimPod},
		&corev1.Node{}: {Transform: trimNode},
	}
	for _, kind := range deploymentrecord.ChildKinds() {
		byObject[kind] = cache.ByObject{Label: ours}
	}
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject:         byObject,
	}
}

func trimPod(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	trimmed := &corev1.Pod{
		ObjectMeta: trimMeta(pod.ObjectMeta),
		Spec: corev1.PodSpec{
			NodeName:       pod.Spec.NodeName,
			Overhead:       pod.Spec.Overhead,
			Resources:      pod.Spec.Resources,
			InitContainers: trimContainers(pod.Spec.InitContainers),
			Containers:     trimContainers(pod.Spec.Containers),
		},
		Status: corev1.PodStatus{Phase: pod.Status.Phase},
	}
	if pod.Labels[v1alpha1.LabelManagedBy] == v1alpha1.FieldManagerReconciler {
		trimmed.Labels = pod.Labels
		trimmed.Status = pod.Status
	}
	return trimmed, nil
}

func trimContainers(containers []corev1.Container) []corev1.Container {
	trimmed := make([]corev1.Container, 0, len(containers))
	for i := range containers {
		trimmed = append(trimmed, corev1.Container{
			Name:          containers[i].Name,
			Resources:     containers[i].Resources,
			RestartPolicy: containers[i].RestartPolicy,
		})
	}
	return trimmed
}

func trimNode(object any) (any, error) {
	node, ok := object.(*corev1.Node)
	if !ok {
		return object, nil
	}
	trimmed := &corev1.Node{
		ObjectMeta: trimMeta(node.ObjectMeta),
		Spec:       corev1.NodeSpec{Unschedulable: node.Spec.Unschedulable},
		Status:     corev1.NodeStatus{Allocatable: node.Status.Allocatable},
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			trimmed.Status.Conditions = append(trimmed.Status.Conditions, condition)
		}
	}
	return trimmed, nil
}

func trimMeta(full metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:              full.Name,
		Namespace:         full.Namespace,
		UID:               full.UID,
		ResourceVersion:   full.ResourceVersion,
		DeletionTimestamp: full.DeletionTimestamp,
	}
}
