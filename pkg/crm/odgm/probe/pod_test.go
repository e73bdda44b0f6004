// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/crm/odgm/probe"
)

func TestNodeOf(t *testing.T) {
	at := probe.Node{ID: 1001, Pod: "cart-1001", IP: "10.0.0.1", Port: 8079}
	with := func(change func(*probe.Node)) probe.Node {
		n := at
		change(&n)
		return n
	}
	waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}
	cases := map[string]struct {
		change func(*corev1.Pod)
		want   probe.Node
	}{
		"a node in a pod of its own": {
			func(p *corev1.Pod) {
				p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "odgm", Ready: true}}
			},
			with(func(n *probe.Node) { n.Ready = true }),
		},
		"a node beside a function that fails": {
			func(p *corev1.Pod) {
				p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "function"}}
				p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "odgm", Ready: true}}
			},
			with(func(n *probe.Node) { n.Ready = true }),
		},
		"an image that is not there": {
			func(p *corev1.Pod) {
				p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "odgm", State: waiting}}
			},
			with(func(n *probe.Node) { n.Message = "ImagePullBackOff" }),
		},
		"a pod that waits for a machine": {
			func(*corev1.Pod) {},
			with(func(n *probe.Node) { n.Message = "waits to be started" }),
		},
		"a pod on its way out": {
			func(p *corev1.Pod) {
				p.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
				p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "odgm", Ready: true}}
			},
			with(func(n *probe.Node) { n.Message = "is being stopped" }),
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: "cart-1001", Labels: map[string]string{appsv1.PodIndexLabel: "1001"}},
				Status:     corev1.PodStatus{PodIP: "10.0.0.1"},
			}
			c.change(pod)
			if got, ok := probe.NodeOf(pod, "odgm", 8079); !ok || got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
	if _, ok := probe.NodeOf(&corev1.Pod{}, "odgm", 8080); ok {
		t.Error("a pod that no StatefulSet made has a node")
	}
}
