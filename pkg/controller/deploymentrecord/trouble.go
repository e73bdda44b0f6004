// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// trouble is why a pod does not run, in Kubernetes' words.
type trouble struct {
	reason  string
	message string
}

// waitingForTrouble are the reasons for which a container waits and that do not
// pass by themselves.
var waitingForTrouble = []string{
	"CrashLoopBackOff",
	"ImagePullBackOff",
	"ErrImagePull",
	"ErrImageNeverPull",
	"InvalidImageName",
	"CreateContainerConfigError",
	"CreateContainerError",
	"RunContainerError",
}

// troubleOf returns why a pod does not run; nil when it does or may soon.
func troubleOf(pod *corev1.Pod) *trouble {
	if pod.DeletionTimestamp != nil {
		// It is on its way out; what took its place counts.
		return nil
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if waiting := status.State.Waiting; waiting != nil && slices.Contains(waitingForTrouble, waiting.Reason) {
			return &trouble{reason: waiting.Reason, message: crashMessage(status, waiting)}
		}
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse && condition.Reason == corev1.PodReasonUnschedulable {
			return &trouble{reason: corev1.PodReasonUnschedulable, message: condition.Message}
		}
	}
	if pod.Status.Phase == corev1.PodFailed {
		return &trouble{reason: cmp.Or(pod.Status.Reason, "PodFailed"), message: pod.Status.Message}
	}
	return nil
}

// crashMessage prefers what the container itself said when it ended to the
// kubelet's "back-off restarting failed container".
func crashMessage(status corev1.ContainerStatus, waiting *corev1.ContainerStateWaiting) string {
	if ended := status.LastTerminationState.Terminated; ended != nil && ended.Message != "" {
		return ended.Message
	}
	return waiting.Message
}

// troublesOf returns one trouble for each function that has any, keyed by the
// function's label. Of several the first by reason and message counts, so that
// pods which take turns do not make the status flicker.
func troublesOf(pods []corev1.Pod) map[string]trouble {
	troubles := map[string]trouble{}
	for i := range pods {
		found := troubleOf(&pods[i])
		if found == nil {
			continue
		}
		key := pods[i].Labels[v1alpha1.LabelFunction]
		known, ok := troubles[key]
		if !ok || cmp.Or(cmp.Compare(found.reason, known.reason), cmp.Compare(found.message, known.message)) < 0 {
			troubles[key] = *found
		}
	}
	return troubles
}
