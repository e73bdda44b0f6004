// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	oaasv1alpha1 "oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/odgm"
)

// pin makes a record of the default environment take a template.
func pin(template string) edit {
	return edit{"    nfr_requirements:\n", "    env_templates: {default: " + template + "}\n    nfr_requirements:\n"}
}

// nodes counts those of the grid that answer, and those that a check picks.
func (g *grid) nodes(ctx context.Context, picks func(corev1.Container) bool) (ready, picked int32, err error) {
	list, err := g.site.kube.CoreV1().Pods(g.namespace).List(ctx, metav1.ListOptions{LabelSelector: nodeSelector})
	if err != nil {
		return 0, 0, fmt.Errorf("listing nodes: %w", err)
	}
	for _, pod := range list.Items {
		for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
			if container.Name == odgm.ContainerName && picks(container) {
				picked++
			}
		}
		for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			if status.Name == odgm.ContainerName && status.Ready && pod.DeletionTimestamp == nil {
				ready++
			}
		}
	}
	return ready, picked, nil
}

// changesNodes gives every node another limit, and checks that the grid has a
// majority all the while.
func (g *grid) changesNodes(t *testing.T, cpu string) {
	t.Helper()
	g.site.must(t, "", `kubectl patch envcfg default --type merge -p '{"spec":{"odgm":{"resources":{"limits":{"cpu":"`+cpu+`"}}}}}'`)
	eventually(t, "every node to have changed", func(ctx context.Context) error {
		ready, changed, err := g.nodes(ctx, func(c corev1.Container) bool { return c.Resources.Limits.Cpu().String() == cpu })
		if err != nil {
			return err
		}
		if ready < g.size-1 {
			t.Fatalf("%d of %d nodes are ready while they are changed", ready, g.size)
		}
		if changed < g.size || ready < g.size {
			return fmt.Errorf("%d of %d nodes have changed, %d are ready", changed, g.size, ready)
		}
		return nil
	})
	g.serves(t)
}

// grows asks for more copies than the grid has nodes, and checks that one node joins
// at a time, that each next one waits until all before it are ready, and that those
// that were there do not go down meanwhile.
func (g *grid) grows(t *testing.T, size int32) {
	t.Helper()
	g.manifest = edited(t, g.manifest, edit{fmt.Sprintf("replica_count: %d\n", g.size), fmt.Sprintf("replica_count: %d\n", size)})
	g.site.must(t, g.manifest, "kubectl oaas deploy -n "+g.namespace+" -f -")
	steps := []int32{g.size}
	onItsWay := false
	eventually(t, fmt.Sprintf("the data grid to grow to %d nodes", size), func(ctx context.Context) error {
		set, err := g.site.kube.AppsV1().StatefulSets(g.namespace).Get(ctx, g.unit+"-odgm", metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("reading the nodes' StatefulSet: %w", err)
		}
		wanted := *set.Spec.Replicas
		if wanted != steps[len(steps)-1] {
			steps = append(steps, wanted)
		}
		// Read after the StatefulSet, so that there are at least as many as it wants.
		ready, _, err := g.nodes(ctx, func(corev1.Container) bool { return false })
		if err != nil {
			return err
		}
		if ready < wanted-1 {
			t.Fatalf("%d nodes are ready while node %d joins", ready, wanted)
		}
		record, err := g.site.record(ctx, g.namespace)
		if err != nil {
			return err
		}
		status := record.Status.ODGMClusterStatus
		if status.TargetNodes != nil && *status.TargetNodes == size {
			onItsWay = true
		}
		if wanted != size || status.Nodes != size || status.ReadyNodes != size || set.Status.UpdatedReplicas != size {
			return fmt.Errorf("%d nodes are wanted, %d are ready, and the record tells of %d of %d", wanted, ready, status.ReadyNodes, status.Nodes)
		}
		return nil
	})
	for i := range steps[1:] {
		if steps[i+1] != steps[i]+1 {
			t.Errorf("the sizes were %v, want one node more at a time", steps)
		}
	}
	if !onItsWay {
		t.Errorf("the record has not told that it was on its way to %d nodes", size)
	}
	g.size = size
	g.serves(t)
}

// leavesFunctions switches a running record from nodes beside its functions to a
// data grid of its own: functions answer all the while, the old workloads go when
// the new ones serve, and volumes stay.
func (g *grid) leavesFunctions(t *testing.T) {
	t.Helper()
	const template = "deployment"
	claims := g.claims(t)
	g.manifest = edited(t, g.manifest, edit{"{default: statefulset}", "{default: " + template + "}"})
	g.site.must(t, g.manifest, "kubectl oaas deploy -n "+g.namespace+" -f -")
	functions := []function{{g.site, g.namespace, "Record.access"}, {g.site, g.namespace, "Record.audit"}}
	eventually(t, "the record to run by another template", func(ctx context.Context) error {
		var waits []error
		for _, f := range functions {
			if _, err := f.call(ctx, "hello"); err != nil {
				t.Errorf("while the template is switched: %v", err)
			}
			waits = append(waits, f.moves(ctx, t))
		}
		record, err := g.site.record(ctx, g.namespace)
		if err != nil {
			return err
		}
		if record.Status.SelectedTemplate != template {
			waits = append(waits, fmt.Errorf("the record runs by template %s", record.Status.SelectedTemplate))
		}
		return errors.Join(append(waits, hasCondition(record.Status.Conditions, oaasv1alpha1.ConditionProgressing, metav1.ConditionFalse))...)
	})
	g.mode = oaasv1alpha1.ODGMCluster
	g.serves(t)
	g.tellsFunctions(t, g.endpoint())
	after := g.claims(t)
	for _, claim := range claims {
		if !slices.Contains(after, claim) {
			t.Errorf("volume claim %s went with the template, there are %v", claim, after)
		}
	}
}

// moves tells what is missing until the Deployment of a function has taken the place
// of its StatefulSet. It is an error if that goes first.
func (f function) moves(ctx context.Context, t *testing.T) error {
	t.Helper()
	old, err := f.site.kube.AppsV1().StatefulSets(f.namespace).List(ctx, f.selector())
	if err != nil {
		return fmt.Errorf("listing StatefulSets: %w", err)
	}
	if slices.ContainsFunc(old.Items, func(s appsv1.StatefulSet) bool { return s.DeletionTimestamp == nil }) {
		return fmt.Errorf("%s still has a StatefulSet", f.key)
	}
	if workload := f.workload(t); workload.Status.AvailableReplicas < *workload.Spec.Replicas {
		t.Fatalf("the StatefulSet of %s went when %d of %d replicas of the Deployment served", f.key, workload.Status.AvailableReplicas, *workload.Spec.Replicas)
	}
	return nil
}
