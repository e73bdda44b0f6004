// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"cmp"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// NodeOf is the node that a pod runs in a container, whose gRPC is at a port. It is
// false for a pod without an index, which no StatefulSet made.
func NodeOf(pod *corev1.Pod, container string, port int32) (Node, bool) {
	id, err := strconv.ParseUint(pod.Labels[appsv1.PodIndexLabel], 10, 64)
	if err != nil {
		return Node{}, false
	}
	node := Node{ID: id, Pod: pod.Name, IP: pod.Status.PodIP, Port: port}
	if pod.DeletionTimestamp != nil {
		node.Message = "is being stopped"
		return node, true
	}
	// Beside a function it is among the init containers.
	statuses := slices.Concat(pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses)
	at := slices.IndexFunc(statuses, func(s corev1.ContainerStatus) bool { return s.Name == container })
	if at < 0 {
		node.Message = "waits to be started"
		return node, true
	}
	node.Ready = statuses[at].Ready
	if !node.Ready {
		node.Message = reasonOf(statuses[at])
	}
	return node, true
}

// reasonOf tells why a container does not serve.
func reasonOf(status corev1.ContainerStatus) string {
	switch {
	case status.State.Waiting != nil:
		return cmp.Or(status.State.Waiting.Reason, "waits to be started")
	case status.State.Terminated != nil:
		return cmp.Or(status.State.Terminated.Reason, "ended")
	default:
		return "is not ready"
	}
}
