// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/children"
)

// An intent with spec.replicas decides on the number of replicas. One without leaves
// it to somebody else, such as an autoscaler, and the number that is there stays. The
// API server does not see it that way: a field that its only owner no longer applies
// is gone, and its default, one replica, takes its place. So another field manager
// keeps the number until somebody changes it.

// startReplicas gives a workload that is to be made the least number of replicas of
// its function, should the intent leave the number to an autoscaler.
func (p *pass) startReplicas(sent *unstructured.Unstructured) {
	least := p.leastReplicas(sent)
	if least <= 1 || setsReplicas(sent) || sent.GroupVersionKind().Group != "apps" {
		// Of other kinds it is not known where the number stands.
		return
	}
	if spec, ok := sent.Object["spec"].(map[string]any); ok {
		spec["replicas"] = least
	}
}

// handOverReplicas makes sure that a live object keeps its replicas when an intent
// without them is applied. A workload gets no less than the least number of its
// function, since autoscalers leave alone what was stopped.
func (r *Reconciler) handOverReplicas(ctx context.Context, p *pass, live *children.Object, intent *unstructured.Unstructured) error {
	if setsReplicas(intent) || !live.OwnsReplicas() {
		return nil
	}
	now := &unstructured.Unstructured{}
	now.SetGroupVersionKind(live.Kind)
	if err := r.live.Get(ctx, live.Key().NamespacedName, now); err != nil {
		return fmt.Errorf("read the replicas of %s %s: %w", live.Kind.Kind, live.Name, err)
	}
	fresh := children.Digest(live.Kind, now)
	// Not found either where it is no number.
	replicas, found, _ := unstructured.NestedInt64(now.Object, "spec", "replicas")
	if !found || fresh.UID != live.UID || !fresh.OwnsReplicas() {
		// It is somebody else's by now.
		return nil
	}
	keep := max(replicas, p.leastReplicas(intent))
	if fresh.ReplicasHandedOver() && replicas == keep {
		return nil
	}
	logf.FromContext(ctx).Info("handing over replicas", "kind", live.Kind.Kind, "name", live.Name, "replicas", keep)
	sent := ofReplicas(fresh)
	// Whoever scales it this very moment wins.
	sent.SetResourceVersion(fresh.ResourceVersion)
	sent.Object["spec"] = map[string]any{"replicas": keep}
	err := r.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(sent),
		client.FieldOwner(v1alpha1.FieldManagerReplicas), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("hand over the replicas of %s %s: %w", live.Kind.Kind, live.Name, err)
	}
	return nil
}

// takeBackReplicas ends a hand-over once the intent decides on the replicas again and
// was applied. Nothing is left to do where that changed the number, because it took
// the field from everybody else.
func (r *Reconciler) takeBackReplicas(ctx context.Context, live *children.Object, intent *unstructured.Unstructured) error {
	if !setsReplicas(intent) || !live.ReplicasHandedOver() {
		return nil
	}
	err := r.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(ofReplicas(live)),
		client.FieldOwner(v1alpha1.FieldManagerReplicas))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("take back the replicas of %s %s: %w", live.Kind.Kind, live.Name, err)
	}
	return nil
}

// ofReplicas is an apply that owns nothing of a live object, and of no other of its
// name.
func ofReplicas(live *children.Object) *unstructured.Unstructured {
	sent := &unstructured.Unstructured{Object: map[string]any{}}
	sent.SetGroupVersionKind(live.Kind)
	sent.SetNamespace(live.Namespace)
	sent.SetName(live.Name)
	sent.SetUID(live.UID)
	return sent
}

// leastReplicas is the least number of replicas of the function that an object runs
// and an autoscaler scales; 0 for any other object.
func (p *pass) leastReplicas(intent *unstructured.Unstructured) int64 {
	for _, function := range p.rendering.Functions {
		runs := function.Workload
		if runs != nil && function.Autoscaled && runs.Name == intent.GetName() && runs.GroupKind() == intent.GroupVersionKind().GroupKind() {
			return int64(function.Replicas)
		}
	}
	return 0
}

func setsReplicas(intent *unstructured.Unstructured) bool {
	replicas, found, err := unstructured.NestedFieldNoCopy(intent.Object, "spec", "replicas")
	return err == nil && found && replicas != nil
}
