// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// mostWrites is more than any step of a life takes, so that every write is the
// n-th once.
const mostWrites = 20

// step is one change in the life of a record.
type step struct {
	name string
	// begin makes the change.
	begin func(t *testing.T, c client.Client, record *v1alpha1.DeploymentRecord)
	// done has nothing to say once the change is through.
	done func(ctx context.Context, c client.Client, record *v1alpha1.DeploymentRecord) error
}

// steps are the life of a record, each with something to make, to change or to
// remove.
func steps() []step {
	runs := func(ctx context.Context, c client.Client, record *v1alpha1.DeploymentRecord) error {
		now := &v1alpha1.DeploymentRecord{}
		if err := c.Get(ctx, client.ObjectKeyFromObject(record), now); err != nil {
			return err
		}
		if !running(now) {
			return fmt.Errorf("status is %+v", now.Status)
		}
		return nil
	}
	return []step{
		{"create", func(t *testing.T, c client.Client, record *v1alpha1.DeploymentRecord) {
			t.Helper()
			record.Spec.ResourceAllocation.MinReplicas = 2
			if err := c.Create(t.Context(), record.DeepCopy()); err != nil {
				t.Fatal(err)
			}
		}, runs},
		{"update", func(t *testing.T, c client.Client, record *v1alpha1.DeploymentRecord) {
			t.Helper()
			edit(t, c, record, func(r *v1alpha1.DeploymentRecord) {
				r.Spec.ResourceAllocation.MinReplicas = 1
				r.Spec.FunctionContainers[0].Image = "registry.example/echo:2"
				r.Spec.FunctionContainers = append(r.Spec.FunctionContainers, v1alpha1.FunctionContainer{FunctionKey: "hear", Image: "registry.example/echo:2"})
			})
		}, runs},
		{"template switch", func(t *testing.T, c client.Client, record *v1alpha1.DeploymentRecord) {
			t.Helper()
			edit(t, c, record, func(r *v1alpha1.DeploymentRecord) { r.Spec.SelectedTemplate = templateStatefulSet })
		}, runs},
		{"delete", func(t *testing.T, c client.Client, record *v1alpha1.DeploymentRecord) {
			t.Helper()
			if err := c.Delete(t.Context(), record.DeepCopy()); err != nil {
				t.Fatal(err)
			}
		}, func(ctx context.Context, c client.Client, record *v1alpha1.DeploymentRecord) error {
			err := c.Get(ctx, client.ObjectKeyFromObject(record), &v1alpha1.DeploymentRecord{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return errors.Join(err, errors.New("the record is still there"))
		}},
	}
}

// TestLifeSurvivesMishaps lets something go wrong at every single write of a
// record's life, and compares what each step leaves behind with an undisturbed
// life.
func TestLifeSurvivesMishaps(t *testing.T) {
	undisturbed, most := live(t, mishap{}, false)
	if most >= mostWrites {
		t.Fatalf("a step takes %d writes; raise mostWrites above that", most)
	}
	check := func(name string, m mishap, stale bool) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disturbed, _ := live(t, m, stale)
			for _, step := range steps() {
				if diff := cmp.Diff(strings.Split(undisturbed[step.name], "\n"), strings.Split(disturbed[step.name], "\n")); diff != "" {
					t.Errorf("after %s (-undisturbed +disturbed):\n%s", step.name, diff)
				}
			}
		})
	}
	for n := 1; n <= most; n++ {
		check(fmt.Sprintf("killed after write %d", n), mishap{n: n, kill: true}, false)
		check(fmt.Sprintf("answer to write %d lost", n), mishap{n: n, lost: true}, false)
		check(fmt.Sprintf("write %d refused", n), mishap{n: n}, false)
	}
	check("every read one version late", mishap{}, true)
}

// live lets a record live, with a mishap in each of its steps. It returns the state
// that each step leaves behind, and the most writes that a step took.
func live(t *testing.T, m mishap, stale bool) (states map[string]string, most int) {
	t.Helper()
	c := newClient(t)
	record := newRecord(newNamespace(t, c), "echo")
	key := client.ObjectKeyFromObject(record)
	states = map[string]string{}
	p := startProcess(t, c, &templates{}, mishap{}, stale)
	for _, step := range steps() {
		step.begin(t, c, record)
		p.next(m)
		done := func(ctx context.Context) error { return step.done(ctx, c, record) }
		p.drive(t, key, step.name, done)
		most = max(most, p.count())
		if p.isDead() {
			p = startProcess(t, c, &templates{}, mishap{}, stale)
			p.drive(t, key, step.name+" after a restart", done)
		}
		states[step.name] = stateOf(t, c, record)
		passes := func() {
			for range 3 {
				if _, err := p.reconciler.Reconcile(t.Context(), reconcile.Request{NamespacedName: key}); err != nil {
					t.Errorf("after %s: %v", step.name, err)
				}
			}
		}
		if stale {
			// What it is late with may make it try once more.
			passes()
		}
		// What is done stays done, at no cost.
		p.next(mishap{})
		if passes(); p.count() > 0 {
			t.Errorf("after %s: %d writes although nothing was left to do", step.name, p.count())
		}
	}
	return states, most
}

// stateOf is everything that exists of a record, without what differs between two
// lives of the same kind.
func stateOf(t *testing.T, c client.Client, record *v1alpha1.DeploymentRecord) string {
	t.Helper()
	var state []string
	uids := map[string]string{string(record.UID): "record"}
	for _, kind := range []schema.GroupVersionKind{
		v1alpha1.SchemeGroupVersion.WithKind(v1alpha1.KindDeploymentRecord),
		{Group: "apps", Version: "v1", Kind: "Deployment"}, {Group: "apps", Version: "v1", Kind: "StatefulSet"},
		{Version: "v1", Kind: "Service"}, {Version: "v1", Kind: "ConfigMap"}, {Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"},
	} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		if err := c.List(t.Context(), list, client.InNamespace(record.Namespace)); err != nil {
			t.Fatal(err)
		}
		for i := range list.Items {
			item := &list.Items[i]
			if item.GetName() == "kube-root-ca.crt" {
				continue
			}
			uids[string(item.GetUID())] = item.GetKind() + "-" + item.GetName()
			state = append(state, describe(t, item))
		}
	}
	text := strings.Join(state, "\n")
	for uid, name := range uids {
		if uid != "" {
			text = strings.ReplaceAll(text, uid, name)
		}
	}
	return strings.ReplaceAll(text, record.Namespace, "namespace")
}

// describe leaves out of an object what the API server or others make up.
func describe(t *testing.T, item *unstructured.Unstructured) string {
	t.Helper()
	owners := item.GetOwnerReferences()
	kept := map[string]any{
		"kind": item.GetKind(), "name": item.GetName(), "finalizers": item.GetFinalizers(), "leaving": item.GetDeletionTimestamp() != nil,
		"labels": withoutApplySet(item.GetLabels()), "hash": item.GetAnnotations()[v1alpha1.AnnotationSpecHash],
		"owned": slices.ContainsFunc(owners, func(o metav1.OwnerReference) bool { return o.Kind == v1alpha1.KindDeploymentRecord }),
	}
	if item.GetKind() == v1alpha1.KindDeploymentRecord {
		status, _, _ := unstructured.NestedMap(item.Object, "status")
		conditions, _, _ := unstructured.NestedSlice(item.Object, "status", "conditions")
		for _, c := range conditions {
			if c, ok := c.(map[string]any); ok {
				delete(c, "lastTransitionTime")
			}
		}
		status["conditions"] = conditions
		kept["status"] = status
	} else if item.GetKind() != "Service" {
		kept["spec"] = item.Object["spec"]
	}
	encoded, err := json.Marshal(kept)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

// withoutApplySet leaves out the identity of the set, which is a hash of the
// namespace.
func withoutApplySet(labels map[string]string) map[string]string {
	delete(labels, "applyset.kubernetes.io/part-of")
	delete(labels, "applyset.kubernetes.io/id")
	return labels
}
