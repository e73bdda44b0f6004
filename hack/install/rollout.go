// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"oaas.io/oaas/hack/internal/await"
)

// rolledOut returns when a program runs in the form that was applied. While it
// does not, the reason is what its pods say.
func (i *installer) rolledOut(ctx context.Context, program string) error {
	return await.Until(ctx, program, func(ctx context.Context) error {
		err := i.rollout(ctx, program)
		if err == nil {
			return nil
		}
		pods, listErr := i.kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + program})
		if listErr != nil {
			return err
		}
		for _, pod := range pods.Items {
			if trouble := podTrouble(&pod); trouble != "" {
				return fmt.Errorf("%w; pod %s: %s", err, pod.Name, trouble)
			}
		}
		return err
	})
}

func (i *installer) rollout(ctx context.Context, program string) error {
	if program == packageManager {
		set, err := i.kube.AppsV1().StatefulSets(namespace).Get(ctx, program, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("reading StatefulSet %s: %w", program, err)
		}
		return statefulSetRollout(set)
	}
	deployment, err := i.kube.AppsV1().Deployments(namespace).Get(ctx, program, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading Deployment %s: %w", program, err)
	}
	return deploymentRollout(deployment)
}

func statefulSetRollout(s *appsv1.StatefulSet) error {
	want := ptr.Deref(s.Spec.Replicas, 1)
	if s.Status.ObservedGeneration < s.Generation || s.Status.UpdatedReplicas < want || s.Status.ReadyReplicas < want {
		return fmt.Errorf("%d of %d pods are new, %d ready", s.Status.UpdatedReplicas, want, s.Status.ReadyReplicas)
	}
	return nil
}

func deploymentRollout(d *appsv1.Deployment) error {
	want := ptr.Deref(d.Spec.Replicas, 1)
	if d.Status.ObservedGeneration < d.Generation || d.Status.UpdatedReplicas < want ||
		d.Status.AvailableReplicas < want || d.Status.Replicas > want {
		return fmt.Errorf("%d of %d pods are new, %d available", d.Status.UpdatedReplicas, want, d.Status.AvailableReplicas)
	}
	return nil
}

// podTrouble says why a pod does not run, as far as it is known.
func podTrouble(pod *corev1.Pod) string {
	for _, status := range pod.Status.ContainerStatuses {
		switch waiting, ended := status.State.Waiting, status.LastTerminationState.Terminated; {
		case waiting != nil && waiting.Reason != "ContainerCreating":
			return strings.TrimSpace(waiting.Reason + " " + waiting.Message)
		case ended != nil && !status.Ready:
			return fmt.Sprintf("ended with code %d (%s) and was restarted %d times; see kubectl logs -p -n %s %s",
				ended.ExitCode, ended.Reason, status.RestartCount, namespace, pod.Name)
		}
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			return condition.Reason + ": " + condition.Message
		}
	}
	return ""
}
