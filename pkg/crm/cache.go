// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/odgm"
)

// cacheOptions keeps the memory of caches in proportion to what is ours: of nodes
// and of other people's pods only what the cluster's health is summed up from, and
// of our own pods what else tells why they do not run. Children are not here but in
// a children.Cache, which keeps digests.
func cacheOptions() cache.Options {
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:  {Transform: trimPod},
			&corev1.Node{}: {Transform: trimNode},
		},
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
		trimmed.CreationTimestamp = pod.CreationTimestamp
		if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
			trimmed.OwnerReferences = []metav1.OwnerReference{{UID: owner.UID, Controller: owner.Controller}}
		}
		trimmed.Labels = map[string]string{}
		for _, key := range []string{v1alpha1.LabelManagedBy, v1alpha1.LabelDeploymentID, v1alpha1.LabelFunction, v1alpha1.LabelComponent, odgm.LabelNode, appsv1.PodIndexLabel} {
			if value, ok := pod.Labels[key]; ok {
				trimmed.Labels[key] = value
			}
		}
		trimmed.Status = corev1.PodStatus{
			Phase: pod.Status.Phase, Reason: pod.Status.Reason, Message: pod.Status.Message, PodIP: pod.Status.PodIP,
			InitContainerStatuses: trimStatuses(pod.Status.InitContainerStatuses),
			ContainerStatuses:     trimStatuses(pod.Status.ContainerStatuses),
		}
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodScheduled || condition.Type == corev1.ContainersReady {
				trimmed.Status.Conditions = append(trimmed.Status.Conditions, condition)
			}
		}
	}
	return trimmed, nil
}

func trimStatuses(statuses []corev1.ContainerStatus) []corev1.ContainerStatus {
	trimmed := make([]corev1.ContainerStatus, 0, len(statuses))
	for i := range statuses {
		trimmed = append(trimmed, corev1.ContainerStatus{
			Name:                 statuses[i].Name,
			State:                statuses[i].State,
			LastTerminationState: statuses[i].LastTerminationState,
			Ready:                statuses[i].Ready,
			RestartCount:         statuses[i].RestartCount,
		})
	}
	return trimmed
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
