// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render"
)

func TestOldWorkloadServesUntilTheNewOneDoes(t *testing.T) {
	r := &templates{}
	r.alter(func(record *v1alpha1.DeploymentRecord, rendering *render.Rendering) error {
		if record.Spec.FunctionContainers[0].Image != "registry.example/nowhere" {
			return nil
		}
		return unstructured.SetNestedField(find(rendering, "StatefulSet").Intent.Object, "none", "spec", "template", "spec", "nodeSelector", "example.org/node")
	})
	c, _, record := begin(t, r)
	waitFor(t, c, record, "the record runs", running)
	edit(t, c, record, func(r *v1alpha1.DeploymentRecord) {
		r.Spec.SelectedTemplate = templateStatefulSet
		r.Spec.FunctionContainers[0].Image = "registry.example/nowhere"
	})
	waitFor(t, c, record, "it is told that the new workload finds no place", because(v1alpha1.ConditionDegraded, metav1.ConditionTrue, "Unschedulable"))
	// Whatever wakes the record now, the old workload serves.
	err := wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, 3*time.Second, true, func(ctx context.Context) (bool, error) {
		old, now := &appsv1.Deployment{}, &v1alpha1.DeploymentRecord{}
		if err := errors.Join(c.Get(ctx, workloadOf(record), old), c.Get(ctx, client.ObjectKeyFromObject(record), now)); err != nil {
			return false, err
		}
		if old.DeletionTimestamp != nil || old.Status.AvailableReplicas == 0 || !meta.IsStatusConditionTrue(now.Status.Conditions, v1alpha1.ConditionAvailable) {
			return false, fmt.Errorf("the old workload does not serve: %+v; %+v", old.Status, now.Status)
		}
		return false, nil
	})
	if !wait.Interrupted(err) {
		t.Fatal(err)
	}
	edit(t, c, record, func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers[0].Image = "registry.example/echo:2" })
	now := waitFor(t, c, record, "the record runs from the new template", running)
	if err := c.Get(t.Context(), workloadOf(record), &appsv1.Deployment{}); !apierrors.IsNotFound(err) {
		t.Errorf("the old workload is still there: %v", err)
	}
	if !slices.ContainsFunc(now.Status.ResourceRefs, func(ref v1alpha1.ResourceReference) bool { return ref.Keep && ref.Kind == "ConfigMap" }) {
		t.Errorf("the inventory %v has lost the user data", now.Status.ResourceRefs)
	}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: record.Namespace, Name: "echo-data"}, &corev1.ConfigMap{}); err != nil {
		t.Errorf("the user data did not survive the change of the template: %v", err)
	}
}

func TestRetainedDataIsFoundAgain(t *testing.T) {
	for name, owned := range map[string]bool{"retained from the beginning": false, "retained after a change of mind": true} {
		t.Run(name, func(t *testing.T) {
			c, _, record := begin(t, &templates{}, func(r *v1alpha1.DeploymentRecord) {
				if !owned {
					r.Spec.DeletionPolicy = v1alpha1.DeletionRetain
				}
			})
			waitFor(t, c, record, "the record runs", running)
			edit(t, c, record, func(r *v1alpha1.DeploymentRecord) { r.Spec.DeletionPolicy = v1alpha1.DeletionRetain })
			data := &corev1.ConfigMap{}
			key := client.ObjectKey{Namespace: record.Namespace, Name: "echo-data"}
			if err := c.Get(t.Context(), key, data); err != nil {
				t.Fatal(err)
			}
			if err := c.Delete(t.Context(), record.DeepCopy(), client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
				t.Fatal(err)
			}
			gone(t, c, record)
			left := &corev1.ConfigMap{}
			if err := c.Get(t.Context(), key, left); err != nil || left.UID != data.UID || len(left.OwnerReferences) > 0 {
				t.Fatalf("user data = %v, %v; want the same object without an owner", left.ObjectMeta, err)
			}
			again := newRecord(record.Namespace, record.Name)
			if err := c.Create(t.Context(), again); err != nil {
				t.Fatal(err)
			}
			waitFor(t, c, again, "a record of the same name runs", running)
			if err := c.Get(t.Context(), key, left); err != nil || left.UID != data.UID || !metav1.IsControlledBy(left, again) {
				t.Errorf("user data = %v, %v; want the same object, owned again", left.ObjectMeta, err)
			}
			if err := c.Delete(t.Context(), again); err != nil {
				t.Fatal(err)
			}
			gone(t, c, again)
			if err := c.Get(t.Context(), key, left); !apierrors.IsNotFound(err) {
				t.Errorf("user data outlived a record whose policy is Delete: %v", err)
			}
		})
	}
}

func TestDataGoesWhenTheLastWordIsToDeleteIt(t *testing.T) {
	c, _, record := begin(t, &templates{}, func(r *v1alpha1.DeploymentRecord) { r.Spec.DeletionPolicy = v1alpha1.DeletionRetain })
	now := waitFor(t, c, record, "the record runs", running)
	// The deletion comes before anybody could take note of the change.
	changed := now.DeepCopy()
	changed.Spec.DeletionPolicy = v1alpha1.DeletionDelete
	if err := errors.Join(c.Patch(t.Context(), changed, client.MergeFrom(now)), c.Delete(t.Context(), now.DeepCopy())); err != nil {
		t.Fatal(err)
	}
	gone(t, c, record)
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: record.Namespace, Name: "echo-data"}, &corev1.ConfigMap{}); !apierrors.IsNotFound(err) {
		t.Errorf("user data outlived a record whose policy was changed to Delete: %v", err)
	}
}

func gone(t *testing.T, c client.Client, record *v1alpha1.DeploymentRecord) {
	t.Helper()
	eventually(t, "the record is gone", func(ctx context.Context) error {
		now := &v1alpha1.DeploymentRecord{}
		err := c.Get(ctx, client.ObjectKeyFromObject(record), now)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is still there: %+v (%w)", now.Status, err)
	})
}

func TestOrphanedChildrenRunOnAndAreFoundAgain(t *testing.T) {
	c, _, record := begin(t, &templates{}, func(r *v1alpha1.DeploymentRecord) { r.Spec.SelectedTemplate = templateStatefulSet })
	now := waitFor(t, c, record, "the record runs", running)
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "data-0", Namespace: record.Namespace, Labels: map[string]string{
			v1alpha1.LabelDeploymentID: record.Name, v1alpha1.LabelManagedBy: v1alpha1.FieldManagerReconciler,
		}},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
	if err := c.Create(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	before := &appsv1.StatefulSet{}
	if err := c.Get(t.Context(), workloadOf(record), before); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), now, client.PropagationPolicy(metav1.DeletePropagationOrphan)); err != nil {
		t.Fatal(err)
	}
	gone(t, c, record)
	for _, object := range []client.Object{before.DeepCopy(), claim.DeepCopy()} {
		uid := object.GetUID()
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil || object.GetUID() != uid || object.GetDeletionTimestamp() != nil || metav1.GetControllerOf(object) != nil {
			t.Errorf("%T is %+v (%v), want it to run on and belong to nobody", object, object.GetName(), err)
		}
	}
	if err := c.Create(t.Context(), record.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	now = waitFor(t, c, record, "a record of the same name runs", running)
	after := &appsv1.StatefulSet{}
	if err := c.Get(t.Context(), workloadOf(record), after); err != nil || after.UID != before.UID || !metav1.IsControlledBy(after, now) {
		t.Errorf("the workload is another or not the record's: %v", err)
	}
	if err := c.Delete(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	gone(t, c, record)
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(claim), claim); !apierrors.IsNotFound(err) && claim.DeletionTimestamp == nil {
		t.Errorf("the claim outlived a record whose policy is Delete: %v", err)
	}
}

// newWidgets defines a kind, in versions of which the first is stored.
func newWidgets(versions ...string) *apiextensionsv1.CustomResourceDefinition {
	plural := "widgets" + rand.String(5)
	group := plural + ".example.org"
	widgets := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: plural + "." + group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: plural, Kind: "Widget"},
		},
	}
	for i, version := range versions {
		widgets.Spec.Versions = append(widgets.Spec.Versions, apiextensionsv1.CustomResourceDefinitionVersion{
			Name: version, Served: true, Storage: i == 0,
			Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
			Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
				Type: "object", XPreserveUnknownFields: new(true),
			}},
		})
	}
	return widgets
}

func TestKindsComeAndGo(t *testing.T) {
	widgets := newWidgets("v1")
	r := &templates{}
	r.alter(func(record *v1alpha1.DeploymentRecord, rendering *render.Rendering) error {
		rendering.Objects = append(rendering.Objects, object(record, widgets.Spec.Group+"/v1", "Widget", record.Name, nil, map[string]any{"spec": map[string]any{"size": int64(1)}}))
		return nil
	})
	c, _, record := begin(t, r)
	now := waitFor(t, c, record, "the missing kind is told", because(v1alpha1.ConditionDegraded, metav1.ConditionTrue, "KindNotServed"))
	if !strings.Contains(now.Status.Message, "Widget") {
		t.Errorf("message %q does not name the kind", now.Status.Message)
	}
	for range 2 {
		if err := c.Create(t.Context(), widgets.DeepCopy()); err != nil {
			t.Fatal(err)
		}
		waitFor(t, c, record, "the kind is used once it is there", running)
		if err := c.Delete(t.Context(), widgets.DeepCopy()); err != nil {
			t.Fatal(err)
		}
		waitFor(t, c, record, "the kind is missed once it is gone", because(v1alpha1.ConditionDegraded, metav1.ConditionTrue, "KindNotServed"))
		eventually(t, "the definition is gone", func(ctx context.Context) error {
			if err := c.Get(ctx, client.ObjectKeyFromObject(widgets), widgets.DeepCopy()); !apierrors.IsNotFound(err) {
				return errors.Join(err, errors.New("it is still there"))
			}
			return nil
		})
	}
	if err := c.Delete(t.Context(), record.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	gone(t, c, record)
}

func TestObjectsOutliveTheVersionThatTheyWereMadeIn(t *testing.T) {
	c := newClient(t)
	widgets := newWidgets("v2", "v1")
	if err := c.Create(t.Context(), widgets); err != nil {
		t.Fatal(err)
	}
	r := &templates{}
	r.alter(func(record *v1alpha1.DeploymentRecord, rendering *render.Rendering) error {
		if record.Spec.FunctionContainers[0].Image == "registry.example/echo:1" {
			rendering.Objects = append(rendering.Objects, object(record, widgets.Spec.Group+"/v1", "Widget", record.Name, nil, map[string]any{"spec": map[string]any{"size": int64(1)}}))
		}
		return nil
	})
	_, _, record := begin(t, r)
	waitFor(t, c, record, "the record runs", running)
	newer := widgets.DeepCopy()
	newer.Spec.Versions[1].Served = false
	if err := c.Patch(t.Context(), newer, client.MergeFrom(widgets)); err != nil {
		t.Fatal(err)
	}
	now := waitFor(t, c, record, "the missing version is told", because(v1alpha1.ConditionDegraded, metav1.ConditionTrue, "KindNotServed"))
	if !strings.Contains(now.Status.Message, "version v2") {
		t.Errorf("message %q does not name the version that is there", now.Status.Message)
	}
	edit(t, c, record, func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers[0].Image = "registry.example/echo:2" })
	waitFor(t, c, record, "the record runs without the object", running)
	left := &unstructured.Unstructured{}
	left.SetAPIVersion(widgets.Spec.Group + "/v2")
	left.SetKind("Widget")
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(record), left); !apierrors.IsNotFound(err) {
		t.Errorf("what is no longer wanted is there as %s %s: %v", left.GetKind(), left.GetName(), err)
	}
}

func TestCrashIsToldAndForgotten(t *testing.T) {
	c, _, record := begin(t, &templates{})
	waitFor(t, c, record, "the record runs", running)
	pods := &corev1.PodList{}
	if err := c.List(t.Context(), pods, client.InNamespace(record.Namespace)); err != nil || len(pods.Items) != 1 {
		t.Fatalf("%d pods, %v", len(pods.Items), err)
	}
	pod := &pods.Items[0]
	crash := pod.DeepCopy()
	now := metav1.Now()
	for i := range crash.Status.ContainerStatuses {
		crash.Status.ContainerStatuses[i].Ready, crash.Status.ContainerStatuses[i].RestartCount = false, 3
		crash.Status.ContainerStatuses[i].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off"}}
		crash.Status.ContainerStatuses[i].LastTerminationState = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: 2, Reason: "Error", Message: "no database", StartedAt: now, FinishedAt: now,
		}}
	}
	for i := range crash.Status.Conditions {
		if kind := crash.Status.Conditions[i].Type; kind == corev1.PodReady || kind == corev1.ContainersReady {
			crash.Status.Conditions[i].Status, crash.Status.Conditions[i].LastTransitionTime = corev1.ConditionFalse, now
		}
	}
	if err := c.Status().Patch(t.Context(), crash, client.MergeFrom(pod)); err != nil {
		t.Fatal(err)
	}
	told := waitFor(t, c, record, "the crash is told", func(r *v1alpha1.DeploymentRecord) bool {
		return because(v1alpha1.ConditionAvailable, metav1.ConditionFalse, "CrashLoopBackOff")(r) && because(v1alpha1.ConditionDegraded, metav1.ConditionTrue, "CrashLoopBackOff")(r)
	})
	for _, want := range []string{"no database", "kubectl logs", pod.Name, "--container function", "--previous"} {
		if !strings.Contains(told.Status.Message, want) {
			t.Errorf("message %q does not say %q", told.Status.Message, want)
		}
	}
	if told.Status.FunctionContainerStatus[0].ReadyReplicas != 0 {
		t.Errorf("%d replicas are ready, want none", told.Status.FunctionContainerStatus[0].ReadyReplicas)
	}
	// The pod is replaced by one that runs.
	if err := c.Delete(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	waitFor(t, c, record, "the record runs again", running)
	eventually(t, "the crash was told once", func(ctx context.Context) error {
		if n, err := eventsOf(ctx, c, record, "CrashLoopBackOff"); err != nil || n < 1 || n > 2 {
			return fmt.Errorf("%d events, want one each of Degraded and Available (%w)", n, err)
		}
		return nil
	})
}

func TestStartCostsFewWritesAndRestNone(t *testing.T) {
	c, p, record := begin(t, &templates{}, func(r *v1alpha1.DeploymentRecord) {
		r.Spec.ResourceAllocation.MinReplicas = 2
		r.Spec.FunctionContainers = append(r.Spec.FunctionContainers, v1alpha1.FunctionContainer{FunctionKey: "hear", Image: "registry.example/echo:1"})
	})
	now := waitFor(t, c, record, "the record runs", running)
	_, writes := p.calls.counted()
	if most := len(now.Status.ResourceRefs) + 3; len(writes) > most {
		t.Errorf("%d writes for %d children, want %d at most:\n%s", len(writes), len(now.Status.ResourceRefs), most, strings.Join(writes, "\n"))
	}
	// What an apply left to look at again is looked at, and then nothing any more.
	p.calls.reset()
	since := time.Now()
	eventually(t, "it is at rest", func(context.Context) error {
		if reads, writes := p.calls.counted(); len(reads)+len(writes) > 0 {
			p.calls.reset()
			since = time.Now()
			return fmt.Errorf("calls at rest: %v %v", reads, writes)
		}
		if rested := time.Since(since); rested < 15*time.Second {
			return fmt.Errorf("it made no call for %v only", rested)
		}
		return nil
	})
	start := time.Now()
	const passes = 200
	for range passes {
		if _, err := p.reconciler.Reconcile(t.Context(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(record)}); err != nil {
			t.Fatal(err)
		}
	}
	if reads, writes := p.calls.counted(); len(reads)+len(writes) > 0 {
		t.Errorf("passes with nothing to do made calls: %v %v", reads, writes)
	}
	t.Logf("a pass with nothing to do takes %v", time.Since(start)/passes)
	if each := time.Since(start) / passes; each > 10*time.Millisecond {
		t.Errorf("a pass with nothing to do takes %v", each)
	}
	if !meta.IsStatusConditionTrue(now.Status.Conditions, v1alpha1.ConditionAvailable) {
		t.Error("not available")
	}
}
