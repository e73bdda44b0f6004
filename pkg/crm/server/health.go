// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/discovery"
	resourcehelper "k8s.io/component-helpers/resource"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"google.golang.org/protobuf/types/known/timestamppb"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/availability"
	crmv1 "oaas.io/oaas/pkg/generated/grpc/oaas/crm/v1"
	"oaas.io/oaas/pkg/version"
)

// sampleInterval is how often the nodes are counted for the availability.
const sampleInterval = 10 * time.Second

// cachedObjects are what calls read from the cache.
func cachedObjects() []client.Object {
	return []client.Object{
		&v1alpha1.DeploymentRecord{}, &v1alpha1.EnvironmentConfig{}, &v1alpha1.DeploymentTemplate{}, &corev1.Node{}, &corev1.Pod{},
	}
}

// nodeTracker feeds the availability from the cache.
type nodeTracker struct {
	cache   client.Reader
	tracker *availability.Tracker
}

func (t *nodeTracker) run(ctx context.Context) {
	ticker := time.NewTicker(sampleInterval)
	defer ticker.Stop()
	for {
		if nodes, err := t.list(ctx); err == nil {
			t.tracker.Observe(len(nodes), countReady(nodes))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (t *nodeTracker) list(ctx context.Context) ([]corev1.Node, error) {
	list := &corev1.NodeList{}
	if err := t.cache.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	return list.Items, nil
}

func countReady(nodes []corev1.Node) int {
	ready := 0
	for i := range nodes {
		if isReady(&nodes[i]) {
			ready++
		}
	}
	return ready
}

func isReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// info answers what the program knows of itself and its cluster.
type info struct {
	crmv1.UnimplementedCrmInfoServiceServer
	cache   client.Reader
	version discovery.ServerVersionInterfaceWithContext
	nodes   *nodeTracker
	clock   clock.PassiveClock
}

// GetClusterHealth reports the cluster as it is now.
func (i *info) GetClusterHealth(ctx context.Context, _ *crmv1.GetClusterHealthRequest) (*crmv1.GetClusterHealthResponse, error) {
	nodes, err := i.nodes.list(ctx)
	if err != nil {
		return nil, statusOf(err)
	}
	pods, records := &corev1.PodList{}, &v1alpha1.DeploymentRecordList{}
	for _, list := range []client.ObjectList{pods, records} {
		if err := i.cache.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return nil, statusOf(err)
		}
	}
	// The API server may be upgraded while this program runs; it also proves that
	// the control plane answers.
	kubernetes, err := i.version.ServerVersionWithContext(ctx)
	if err != nil {
		return nil, statusOf(fmt.Errorf("read the version of Kubernetes: %w", err))
	}
	ready := countReady(nodes)
	i.nodes.tracker.Observe(len(nodes), ready)
	return &crmv1.GetClusterHealthResponse{
		Status:            healthOf(len(nodes), ready),
		CrmVersion:        version.Get().Version,
		KubernetesVersion: kubernetes.GitVersion,
		NodeCount:         int32(len(nodes)),
		ReadyNodes:        int32(ready),
		Availability:      i.nodes.tracker.Availability(),
		Capacity:          capacityOf(nodes),
		Allocated:         allocatedOf(pods.Items),
		DeploymentRecords: int32(len(records.Items)),
		ObservedAt:        timestamppb.New(i.clock.Now()),
	}, nil
}

func healthOf(nodes, ready int) crmv1.ClusterHealthStatus {
	switch {
	case ready == 0:
		return crmv1.ClusterHealthStatus_CLUSTER_HEALTH_STATUS_UNHEALTHY
	case ready < nodes:
		return crmv1.ClusterHealthStatus_CLUSTER_HEALTH_STATUS_DEGRADED
	default:
		return crmv1.ClusterHealthStatus_CLUSTER_HEALTH_STATUS_HEALTHY
	}
}

// capacityOf sums up what the ready nodes have to give to pods.
func capacityOf(nodes []corev1.Node) map[string]string {
	total := corev1.ResourceList{}
	for i := range nodes {
		if isReady(&nodes[i]) {
			addTo(total, nodes[i].Status.Allocatable)
		}
	}
	return quantities(total)
}

// allocatedOf sums up what pods that hold a place have requested.
func allocatedOf(pods []corev1.Pod) map[string]string {
	total := corev1.ResourceList{}
	for i := range pods {
		pod := &pods[i]
		if pod.Spec.NodeName == "" || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		addTo(total, resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{}))
		addTo(total, corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(1, resource.DecimalSI)})
	}
	return quantities(total)
}

func addTo(total, more corev1.ResourceList) {
	for name, quantity := range more {
		sum := total[name]
		sum.Add(quantity)
		total[name] = sum
	}
}

func quantities(list corev1.ResourceList) map[string]string {
	texts := make(map[string]string, len(list))
	for name, quantity := range list {
		texts[string(name)] = quantity.String()
	}
	return texts
}
