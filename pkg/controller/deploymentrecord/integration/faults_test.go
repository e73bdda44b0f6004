// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/controller/deploymentrecord"
	"oaas.io/oaas/pkg/crm/render"
	"oaas.io/oaas/pkg/crm/render/names"
)

// begin makes a namespace with a program and a record in it.
func begin(t *testing.T, renderer deploymentrecord.Renderer, change ...func(*v1alpha1.DeploymentRecord)) (client.WithWatch, *program, *v1alpha1.DeploymentRecord) {
	t.Helper()
	t.Parallel()
	c := newClient(t)
	record := newRecord(newNamespace(t, c), "echo", change...)
	p := startProgram(t, kube.RESTConfig(), record.Namespace, renderer)
	if err := c.Create(t.Context(), record.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	return c, p, record
}

func workloadOf(record *v1alpha1.DeploymentRecord) client.ObjectKey {
	return client.ObjectKey{Namespace: record.Namespace, Name: names.Workload(record.Name, record.Spec.FunctionContainers[0].FunctionKey)}
}

// events counts the events of a record with a reason.
func eventsOf(ctx context.Context, c client.Client, record *v1alpha1.DeploymentRecord, reason string) (int, error) {
	list := &eventsv1.EventList{}
	if err := c.List(ctx, list, client.InNamespace(record.Namespace)); err != nil {
		return 0, err
	}
	count := 0
	for _, event := range list.Items {
		if event.Regarding.Name == record.Name && event.Reason == reason {
			count++
			if event.Series != nil {
				count += int(event.Series.Count)
			}
		}
	}
	return count, nil
}

type refusal struct{ error }

func (refusal) RefusalReason() string { return "NoTemplate" }

func TestRecordThatCannotBeRendered(t *testing.T) {
	r := &templates{}
	r.alter(func(record *v1alpha1.DeploymentRecord, _ *render.Rendering) error {
		if record.Spec.FunctionContainers[0].Image == "registry.example/echo:1" {
			return refusal{errors.New("no template can serve the record: raise maxLatencyMs")}
		}
		return nil
	})
	c, _, record := begin(t, r)
	now := waitFor(t, c, record, "the refusal is told", because(v1alpha1.ConditionDegraded, metav1.ConditionTrue, "NoTemplate"))
	if now.Status.Condition != v1alpha1.RecordFailed || !strings.Contains(now.Status.Message, "maxLatencyMs") {
		t.Errorf("condition %s, message %q; want Failed and what to do", now.Status.Condition, now.Status.Message)
	}
	edit(t, c, record, func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers[0].Image = "registry.example/echo:2" })
	waitFor(t, c, record, "the record runs", running)
}

func TestWhatRunsIsToldOfARecordThatCannotBeRendered(t *testing.T) {
	r := &templates{}
	r.alter(func(record *v1alpha1.DeploymentRecord, _ *render.Rendering) error {
		if record.Spec.FunctionContainers[0].Image == "registry.example/echo:2" {
			return refusal{errors.New("the environment forbids the template")}
		}
		return nil
	})
	c, _, record := begin(t, r)
	waitFor(t, c, record, "the record runs", running)
	edit(t, c, record, func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers[0].Image = "registry.example/echo:2" })
	now := waitFor(t, c, record, "the refusal is told", because(v1alpha1.ConditionDegraded, metav1.ConditionTrue, "NoTemplate"))
	if !meta.IsStatusConditionTrue(now.Status.Conditions, v1alpha1.ConditionAvailable) {
		t.Errorf("conditions = %+v, want that what ran runs on", now.Status.Conditions)
	}
	workload := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: record.Namespace, Name: workloadOf(record).Name}}
	if err := c.Delete(t.Context(), workload); err != nil {
		t.Fatal(err)
	}
	now = waitFor(t, c, record, "the loss is told", because(v1alpha1.ConditionAvailable, metav1.ConditionFalse, "Starting"))
	if ready := now.Status.FunctionContainerStatus[0].ReadyReplicas; ready != 0 {
		t.Errorf("%d replicas are ready, want none", ready)
	}
	edit(t, c, record, func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers[0].Image = "registry.example/echo:3" })
	waitFor(t, c, record, "the record runs again", running)
}

func TestNameTakenBySomebodyElse(t *testing.T) {
	r := &templates{}
	c := newClient(t)
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "echo-data", Namespace: newNamespace(t, c)}, Data: map[string]string{"user": "theirs"}}
	if err := c.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	t.Parallel()
	record := newRecord(foreign.Namespace, "echo")
	startProgram(t, kube.RESTConfig(), record.Namespace, r)
	if err := c.Create(t.Context(), record.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	now := waitFor(t, c, record, "the conflict is told", because(v1alpha1.ConditionDegraded, metav1.ConditionTrue, "Conflict"))
	if !strings.Contains(now.Status.Message, foreign.Name) {
		t.Errorf("message %q does not name %s", now.Status.Message, foreign.Name)
	}
	after := &corev1.ConfigMap{}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(foreign), after); err != nil || after.ResourceVersion != foreign.ResourceVersion {
		t.Errorf("the foreign object was touched: %v, %v", after, err)
	}
	if err := c.Delete(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	waitFor(t, c, record, "the record runs with an object of its own", running)
}

// Whoever copies a child to look into something copies its labels, too.
func TestACopyOfAChildIsNotTheRecords(t *testing.T) {
	c, _, record := begin(t, &templates{})
	waitFor(t, c, record, "the record runs", running)
	child := &appsv1.Deployment{}
	if err := c.Get(t.Context(), workloadOf(record), child); err != nil {
		t.Fatal(err)
	}
	copied := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "look-into", Namespace: child.Namespace, Labels: child.Labels, Annotations: child.Annotations}, Spec: child.Spec}
	copied.Spec.Replicas = new(int32(0))
	if err := c.Create(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	edit(t, c, record, func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers[0].Image = "registry.example/echo:2" })
	now := waitFor(t, c, record, "the record runs the new image", func(r *v1alpha1.DeploymentRecord) bool {
		return r.Status.ObservedGeneration == 2 && running(r)
	})
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(copied), copied); err != nil || copied.DeletionTimestamp != nil {
		t.Errorf("the copy: %v, deleted at %v, want it left alone", err, copied.DeletionTimestamp)
	}
	if slices.ContainsFunc(now.Status.ResourceRefs, func(ref v1alpha1.ResourceReference) bool { return ref.Name == copied.Name }) {
		t.Errorf("the inventory %v names the copy", now.Status.ResourceRefs)
	}
}

func TestImmutableFieldsOfWorkloadsMakeThemAnew(t *testing.T) {
	var changed atomic.Bool
	r := &templates{}
	r.alter(func(_ *v1alpha1.DeploymentRecord, rendering *render.Rendering) error {
		if !changed.Load() {
			return nil
		}
		deployment := find(rendering, "Deployment").Intent
		for _, path := range [][]string{{"spec", "selector", "matchLabels"}, {"spec", "template", "metadata", "labels"}} {
			if err := unstructured.SetNestedField(deployment.Object, "new", append(path, "generation")...); err != nil {
				return err
			}
		}
		return nil
	})
	c, _, record := begin(t, r)
	waitFor(t, c, record, "the record runs", running)
	before := &appsv1.Deployment{}
	if err := c.Get(t.Context(), workloadOf(record), before); err != nil {
		t.Fatal(err)
	}
	changed.Store(true)
	edit(t, c, record, func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers[0].Image = "registry.example/echo:2" })
	now := waitFor(t, c, record, "the record runs again", running)
	after := &appsv1.Deployment{}
	if err := c.Get(t.Context(), workloadOf(now), after); err != nil {
		t.Fatal(err)
	}
	if after.UID == before.UID || after.Spec.Selector.MatchLabels["generation"] != "new" {
		t.Errorf("selector = %v of the same object: %t; want another object", after.Spec.Selector.MatchLabels, after.UID == before.UID)
	}
	eventually(t, "a warning tells of it once", func(ctx context.Context) error {
		if n, err := eventsOf(ctx, c, record, "Recreating"); err != nil || n != 1 {
			return fmt.Errorf("%d events (%w)", n, err)
		}
		return nil
	})
}

func TestImmutableFieldsOfUserDataAreLeftAlone(t *testing.T) {
	var size atomic.Value
	size.Store("one")
	r := &templates{}
	r.alter(func(record *v1alpha1.DeploymentRecord, rendering *render.Rendering) error {
		rendering.Objects = append(rendering.Objects, object(record, "v1", "PersistentVolumeClaim", record.Name+"-disk", nil, map[string]any{"spec": map[string]any{
			"accessModes": []any{"ReadWriteOnce"}, "storageClassName": size.Load(), "resources": map[string]any{"requests": map[string]any{"storage": "1Gi"}},
		}}))
		return nil
	})
	c, _, record := begin(t, r)
	waitFor(t, c, record, "the record runs", running)
	key := client.ObjectKey{Namespace: record.Namespace, Name: record.Name + "-disk"}
	before := &corev1.PersistentVolumeClaim{}
	if err := c.Get(t.Context(), key, before); err != nil {
		t.Fatal(err)
	}
	size.Store("two")
	edit(t, c, record, func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers[0].Image = "registry.example/echo:2" })
	now := waitFor(t, c, record, "the refusal is told", because(v1alpha1.ConditionDegraded, metav1.ConditionTrue, "ImmutableField"))
	after := &corev1.PersistentVolumeClaim{}
	if err := c.Get(t.Context(), key, after); err != nil || after.UID != before.UID || after.DeletionTimestamp != nil {
		t.Errorf("the claim was replaced or is leaving: %v, %v", after.ObjectMeta, err)
	}
	if !meta.IsStatusConditionTrue(now.Status.Conditions, v1alpha1.ConditionAvailable) {
		t.Error("the record is not available, want that what runs goes on")
	}
	size.Store("one")
	edit(t, c, record, func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers[0].Image = "registry.example/echo:3" })
	waitFor(t, c, record, "the record runs again", running)
}

func TestPolicyThatRefusesAChild(t *testing.T) {
	r := &templates{}
	c := newClient(t)
	name := "refuse-" + rand.String(5)
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionregistrationv1.MatchResources{ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
				RuleWithOperations: admissionregistrationv1.RuleWithOperations{
					Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Update},
					Rule:       admissionregistrationv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments"}},
				},
			}}},
			MatchConditions: []admissionregistrationv1.MatchCondition{{
				Name: "marked", Expression: "object.spec.template.spec.containers.exists(c, c.image == 'registry.example/" + name + "')",
			}},
			Validations: []admissionregistrationv1.Validation{{Expression: "false", Message: "not on a Friday"}},
		},
	}
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
		},
	}
	for _, object := range []client.Object{policy, binding} {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Delete(context.Background(), object) })
	}
	_, _, record := begin(t, r)
	waitFor(t, c, record, "the record runs", running)
	before := &appsv1.Deployment{}
	if err := c.Get(t.Context(), workloadOf(record), before); err != nil {
		t.Fatal(err)
	}
	// Policies take effect a moment after they were made.
	eventually(t, "the policy is in effect", func(ctx context.Context) error {
		probe := before.DeepCopy()
		probe.Spec.Template.Spec.Containers[0].Image = "registry.example/" + name
		if err := c.Update(ctx, probe, client.DryRunAll); err == nil {
			return errors.New("nothing is refused")
		}
		return nil
	})
	edit(t, c, record, func(r *v1alpha1.DeploymentRecord) {
		r.Spec.FunctionContainers[0].Image = "registry.example/" + name
	})
	now := waitFor(t, c, record, "the refusal is told", because(v1alpha1.ConditionDegraded, metav1.ConditionTrue, "ApplyFailed"))
	if !strings.Contains(now.Status.Message, "not on a Friday") {
		t.Errorf("message %q does not say what the policy says", now.Status.Message)
	}
	if now.Status.ObservedGeneration == now.Generation {
		t.Error("the generation counts as observed although it was refused")
	}
	after := &appsv1.Deployment{}
	if err := c.Get(t.Context(), workloadOf(record), after); err != nil || after.UID != before.UID || after.DeletionTimestamp != nil {
		t.Errorf("the workload was removed for a policy's sake: %v, %v", after.ObjectMeta, err)
	}
	if err := c.Delete(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	waitFor(t, c, record, "the record runs", running)
}

func TestNamespaceIsRemoved(t *testing.T) {
	c, _, record := begin(t, &templates{})
	waitFor(t, c, record, "the record runs", running)
	if err := c.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: record.Namespace}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing holds the namespace", func(ctx context.Context) error {
		if err := c.Get(ctx, client.ObjectKey{Name: record.Namespace}, &corev1.Namespace{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("the namespace is still there (%w)", err)
		}
		return nil
	})
}

func TestAPIServerIsAwayForAWhile(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	record := newRecord(newNamespace(t, c), "echo")
	between, config := newProxy(t)
	startProgram(t, config, record.Namespace, &templates{})
	if err := c.Create(t.Context(), record.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, c, record, "the record runs", running)
	between.down(t)
	// Meanwhile somebody changes the record and somebody else harms a child.
	edit(t, c, record, func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers[0].Image = "registry.example/echo:2" })
	if err := c.Delete(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: workloadOf(record).Name, Namespace: record.Namespace}}); err != nil {
		t.Fatal(err)
	}
	between.up(t)
	waitFor(t, c, record, "the new content runs", func(r *v1alpha1.DeploymentRecord) bool { return r.Generation == 2 && running(r) })
	eventually(t, "the Service is made anew", func(ctx context.Context) error {
		return c.Get(ctx, workloadOf(record), &corev1.Service{})
	})
}

func TestRecordThatOthersKeepWriting(t *testing.T) {
	c, _, record := begin(t, &templates{})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ctx.Err() == nil; i++ {
			patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"example.org/storm":"%d"}}}`, i)
			_ = c.Patch(ctx, record.DeepCopy(), client.RawPatch("application/merge-patch+json", patch))
		}
	}()
	waitFor(t, c, record, "the record runs in spite of it", running)
	stop()
	<-ended
}

func TestKindThatTheProgramMayNotWatch(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	record := newRecord(newNamespace(t, c), "echo")
	user := "limited-" + rand.String(5)
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: user}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"oaas.io", "apps", "policy", "apiextensions.k8s.io", "events.k8s.io"}, Resources: []string{"*"}, Verbs: []string{"*"}},
		{APIGroups: []string{""}, Resources: []string{"services", "pods", "persistentvolumeclaims"}, Verbs: []string{"*"}},
	}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: user},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}},
	}
	for _, object := range []client.Object{role, binding} {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := kube.WriteKubeconfig(path, user); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	startProgram(t, config, record.Namespace, &templates{})
	if err := c.Create(t.Context(), record.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	now := waitFor(t, c, record, "the missing right is told", because(v1alpha1.ConditionDegraded, metav1.ConditionTrue, "ApplyFailed"))
	if !strings.Contains(now.Status.Message, "configmaps") || !strings.Contains(now.Status.Message, user) {
		t.Errorf("message %q does not say who may not do what", now.Status.Message)
	}
	role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"*"}})
	if err := c.Update(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	waitFor(t, c, record, "the record runs once the right is given", running)
}
