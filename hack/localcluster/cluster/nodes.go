// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// kwokNodeKey is both an annotation, by which kwok knows its nodes, and a
	// label, by which users select them.
	kwokNodeKey   = "kwok.x-k8s.io/node"
	kwokNodeValue = "fake"

	region = "local"
	// zones is the number of failure domains that nodes are spread over.
	zones = 3
)

// simulatedNode describes node number index, counted from zero.
func simulatedNode(cluster string, index int) *corev1.Node {
	name := nodeName(cluster, index)
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("32"),
		corev1.ResourceMemory:           resource.MustParse("256Gi"),
		corev1.ResourceEphemeralStorage: resource.MustParse("1Ti"),
		corev1.ResourcePods:             resource.MustParse("1000"),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{kwokNodeKey: kwokNodeValue, "node.alpha.kubernetes.io/ttl": "0"},
			Labels: map[string]string{
				kwokNodeKey:                     kwokNodeValue,
				corev1.LabelHostname:            name,
				corev1.LabelOSStable:            "linux",
				corev1.LabelArchStable:          runtime.GOARCH,
				corev1.LabelTopologyRegion:      region,
				corev1.LabelTopologyZone:        fmt.Sprintf("%s-%c", region, 'a'+rune(index%zones)),
				"node-role.kubernetes.io/agent": "",
			},
		},
		Status: corev1.NodeStatus{Capacity: capacity, Allocatable: capacity},
	}
}

func nodeName(cluster string, index int) string { return fmt.Sprintf("%s-node-%d", cluster, index+1) }

// planNodes returns the simulated nodes to create and the names of those to
// delete, to get from the existing ones to the wanted number.
func planNodes(cluster string, wanted int, existing []string) (create []*corev1.Node, remove []string) {
	names := make(map[string]bool, wanted)
	for i := range wanted {
		node := simulatedNode(cluster, i)
		names[node.Name] = true
		if !slices.Contains(existing, node.Name) {
			create = append(create, node)
		}
	}
	for _, name := range existing {
		if !names[name] {
			remove = append(remove, name)
		}
	}
	return create, remove
}

// ensureNodes makes the number of simulated nodes what it should be.
func (c *Cluster) ensureNodes(ctx context.Context, wanted int) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	list, err := simulatedNodes(ctx, client)
	if err != nil {
		return err
	}
	var existing []string
	for i := range list {
		existing = append(existing, list[i].Name)
	}
	create, remove := planNodes(c.Name(), wanted, existing)
	for _, node := range create {
		if _, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating node %s: %w", node.Name, err)
		}
	}
	for _, name := range remove {
		if err := client.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting node %s: %w", name, err)
		}
	}
	return nil
}

func simulatedNodes(ctx context.Context, client kubernetes.Interface) ([]corev1.Node, error) {
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: kwokNodeKey + "=" + kwokNodeValue})
	if err != nil {
		return nil, fmt.Errorf("listing simulated nodes: %w", err)
	}
	return list.Items, nil
}

// releaseNodes takes the simulated nodes from a kwok that has ended. A new one
// would wait until the leases of the old one run out, and pods with it.
func (c *Cluster) releaseNodes(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	nodes, err := simulatedNodes(ctx, client)
	if err != nil {
		return err
	}
	for i := range nodes {
		err := client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Delete(ctx, nodes[i].Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("releasing node %s: %w", nodes[i].Name, err)
		}
	}
	return nil
}

// readyNodes counts the simulated nodes that take pods and have a kwok that
// runs them.
func readyNodes(ctx context.Context, client kubernetes.Interface, now time.Time) (int, error) {
	nodes, err := simulatedNodes(ctx, client)
	if err != nil {
		return 0, err
	}
	leases, err := client.CoordinationV1().Leases(corev1.NamespaceNodeLease).List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, fmt.Errorf("listing the leases of nodes: %w", err)
	}
	held := map[string]bool{}
	for i := range leases.Items {
		held[leases.Items[i].Name] = leaseHeld(leases.Items[i].Spec, now)
	}
	ready := 0
	for i := range nodes {
		if takesPods(&nodes[i]) && held[nodes[i].Name] {
			ready++
		}
	}
	return ready, nil
}

// realNodes counts the nodes that take pods and are not simulated.
func realNodes(ctx context.Context, client kubernetes.Interface) (int, error) {
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: kwokNodeKey + "!=" + kwokNodeValue})
	if err != nil {
		return 0, fmt.Errorf("listing real nodes: %w", err)
	}
	ready := 0
	for i := range list.Items {
		if takesPods(&list.Items[i]) {
			ready++
		}
	}
	return ready, nil
}

// leaseHeld says whether the holder of a lease renewed it in time.
func leaseHeld(lease coordinationv1.LeaseSpec, now time.Time) bool {
	if lease.RenewTime == nil || lease.LeaseDurationSeconds == nil {
		return false
	}
	end := lease.RenewTime.Add(time.Duration(*lease.LeaseDurationSeconds) * time.Second)
	return now.Before(end)
}

// takesPods says whether a node is ready, and the controller manager has seen
// it: until then a taint keeps pods away.
func takesPods(node *corev1.Node) bool {
	condition := findCondition(node, corev1.NodeReady)
	tainted := slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool {
		return t.Key == corev1.TaintNodeNotReady || t.Key == corev1.TaintNodeUnreachable
	})
	return condition == corev1.ConditionTrue && !tainted
}

func findCondition(node *corev1.Node, kind corev1.NodeConditionType) corev1.ConditionStatus {
	for _, c := range node.Status.Conditions {
		if c.Type == kind {
			return c.Status
		}
	}
	return corev1.ConditionUnknown
}
