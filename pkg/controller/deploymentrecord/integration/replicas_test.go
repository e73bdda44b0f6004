// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render"
)

// mostReplicas is where the autoscalers of the tests end.
const mostReplicas = 6

// scaling are templates with an autoscaler that can be turned on and off, and one
// whose workload finds no place.
type scaling struct {
	templates
	on atomic.Bool
	// stopped functions have no replicas, as long as no autoscaler is on.
	stopped atomic.Bool
	// other is the apiVersion of another kind of autoscaler to make instead.
	other atomic.Pointer[string]
}

func newScaling(on bool) *scaling {
	s := &scaling{}
	s.on.Store(on)
	s.alter(func(record *v1alpha1.DeploymentRecord, rendering *render.Rendering) error {
		if record.Spec.SelectedTemplate == templateStatefulSet {
			return unstructured.SetNestedField(find(rendering, "StatefulSet").Intent.Object, "none", "spec", "template", "spec", "nodeSelector", "example.org/node")
		}
		intent := find(rendering, "Deployment").Intent
		if !s.on.Load() {
			if s.stopped.Load() {
				return unstructured.SetNestedField(intent.Object, int64(0), "spec", "replicas")
			}
			return nil
		}
		unstructured.RemoveNestedField(intent.Object, "spec", "replicas")
		function := &rendering.Functions[0]
		function.Autoscaled, function.MaxReplicas = true, mostReplicas
		labels, _, _ := unstructured.NestedMap(intent.Object, "metadata", "labels")
		if other := s.other.Load(); other != nil {
			rendering.Objects = append(rendering.Objects, object(record, *other, "Widget", intent.GetName(), labels, map[string]any{}))
			return nil
		}
		rendering.Objects = append(rendering.Objects, object(record, "autoscaling/v2", "HorizontalPodAutoscaler", intent.GetName(), labels, map[string]any{
			"spec": map[string]any{
				"scaleTargetRef": map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": intent.GetName()},
				"minReplicas":    int64(function.Replicas), "maxReplicas": int64(mostReplicas),
			},
		}))
		return nil
	})
	return s
}

func threeReplicas(r *v1alpha1.DeploymentRecord) { r.Spec.ResourceAllocation.MinReplicas = 3 }

// fewest watches the Deployments of a namespace and tells the fewest replicas that
// one of them ever asked for.
func fewest(t *testing.T, c client.WithWatch, namespace string) func() int32 {
	t.Helper()
	list := &appsv1.DeploymentList{}
	if err := c.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	watcher, err := c.Watch(t.Context(), &appsv1.DeploymentList{}, client.InNamespace(namespace),
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion}})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	least, last := int32(mostReplicas), ""
	go func() {
		for event := range watcher.ResultChan() {
			if d, ok := event.Object.(*appsv1.Deployment); ok {
				mu.Lock()
				least, last = min(least, *d.Spec.Replicas), d.ResourceVersion
				mu.Unlock()
			}
		}
	}()
	t.Cleanup(watcher.Stop)
	return func() int32 {
		t.Helper()
		now := &appsv1.DeploymentList{}
		eventually(t, "the watch has told everything", func(ctx context.Context) error {
			if err := c.List(ctx, now, client.InNamespace(namespace)); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if !slices.ContainsFunc(now.Items, func(d appsv1.Deployment) bool { return d.ResourceVersion == last }) {
				return errors.New("it is behind")
			}
			return nil
		})
		mu.Lock()
		defer mu.Unlock()
		return least
	}
}

// neverBelow reports a workload that had too few replicas at any time, whatever else
// a test found.
func neverBelow(t *testing.T, wanted int32, fewest func() int32) {
	t.Helper()
	if n := fewest(); n < wanted {
		t.Errorf("the workload had %d replicas in between, want %d at least", n, wanted)
	}
}

// scaled tells how a workload is not as wanted: its replicas, and the field managers
// that own them.
func scaled(ctx context.Context, c client.Client, key client.ObjectKey, replicas int32, owners ...string) error {
	d := &appsv1.Deployment{}
	if err := c.Get(ctx, key, d); err != nil {
		return err
	}
	var found []string
	for _, entry := range d.ManagedFields {
		var fields struct {
			Spec map[string]any `json:"f:spec"`
		}
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields); err != nil {
			return err
		}
		if _, owns := fields.Spec["f:replicas"]; owns {
			found = append(found, entry.Manager)
		}
	}
	slices.Sort(found)
	slices.Sort(owners)
	if *d.Spec.Replicas != replicas || !slices.Equal(found, owners) {
		return fmt.Errorf("%d replicas are owned by %v; want %d owned by %v", *d.Spec.Replicas, found, replicas, owners)
	}
	return nil
}

// autoscaler tells whether the autoscaler of a workload is, or is not, there.
func autoscaler(ctx context.Context, c client.Client, key client.ObjectKey, wanted bool) error {
	err := c.Get(ctx, key, &autoscalingv2.HorizontalPodAutoscaler{})
	switch {
	case wanted:
		return err
	case apierrors.IsNotFound(err):
		return nil
	default:
		return errors.Join(err, errors.New("the autoscaler is still there"))
	}
}

// scale does what an autoscaler does.
func scale(t *testing.T, c client.Client, key client.ObjectKey, replicas int32) {
	t.Helper()
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	asked := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}
	err := c.SubResource("scale").Update(t.Context(), d, client.WithSubResourceBody(asked), client.FieldOwner("autoscaler"))
	if err != nil {
		t.Fatal(err)
	}
}

// reach makes passes over a record until the wanted state is reached, and then some
// more, which must not write.
func reach(t *testing.T, p *program, record *v1alpha1.DeploymentRecord, what string, wanted func(context.Context) error) {
	t.Helper()
	pass := func(ctx context.Context) error {
		_, err := p.reconciler.Reconcile(ctx, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(record)})
		return err
	}
	eventually(t, what, func(ctx context.Context) error {
		if err := pass(ctx); err != nil {
			return err
		}
		return wanted(ctx)
	})
	eventually(t, "passes make no more calls after "+what, func(ctx context.Context) error {
		p.calls.reset()
		for range 3 {
			if err := pass(ctx); err != nil {
				return err
			}
		}
		if reads, writes := p.calls.counted(); len(reads)+len(writes) > 0 {
			return fmt.Errorf("calls at rest: %v %v", reads, writes)
		}
		return nil
	})
	if err := wanted(t.Context()); err != nil {
		t.Fatalf("after %s and at rest: %v", what, err)
	}
}

func TestReplicasStayWhileAutoscalingIsTurnedOnAndOff(t *testing.T) {
	for name, busy := range map[string]bool{"the autoscaler acts": true, "the autoscaler has nothing to do": false} {
		t.Run(name, func(t *testing.T) {
			r := newScaling(false)
			c, p, record := begin(t, r, threeReplicas)
			key := workloadOf(record)
			waitFor(t, c, record, "the record runs", running)
			defer neverBelow(t, 3, fewest(t, c, record.Namespace))

			r.on.Store(true)
			reach(t, p, record, "autoscaling is turned on", func(ctx context.Context) error {
				return errors.Join(scaled(ctx, c, key, 3, v1alpha1.FieldManagerReplicas), autoscaler(ctx, c, key, true))
			})
			replicas, owner := int32(3), v1alpha1.FieldManagerReplicas
			if busy {
				replicas, owner = 5, "autoscaler"
				scale(t, c, key, replicas)
			}
			edit(t, c, record, func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers[0].Image = "registry.example/echo:2" })
			waitFor(t, c, record, "the record runs its next version", running)
			reach(t, p, record, "a new version was rolled out", func(ctx context.Context) error { return scaled(ctx, c, key, replicas, owner) })

			r.on.Store(false)
			reach(t, p, record, "autoscaling is turned off", func(ctx context.Context) error {
				return errors.Join(scaled(ctx, c, key, 3, v1alpha1.FieldManagerReconciler), autoscaler(ctx, c, key, false))
			})
		})
	}
}

func TestAutoscaledFunctionsStartWithTheirLeastReplicas(t *testing.T) {
	t.Run("new", func(t *testing.T) {
		t.Parallel()
		c := newClient(t)
		record := newRecord(newNamespace(t, c), "echo", threeReplicas)
		defer neverBelow(t, 3, fewest(t, c, record.Namespace))
		p := startProgram(t, kube.RESTConfig(), record.Namespace, newScaling(true))
		if err := c.Create(t.Context(), record.DeepCopy()); err != nil {
			t.Fatal(err)
		}
		key := workloadOf(record)
		waitFor(t, c, record, "the record runs", running)
		reach(t, p, record, "it was made", func(ctx context.Context) error { return scaled(ctx, c, key, 3, v1alpha1.FieldManagerReconciler) })
		edit(t, c, record, func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers[0].Image = "registry.example/echo:2" })
		waitFor(t, c, record, "the record runs its next version", running)
		reach(t, p, record, "a new version was rolled out", func(ctx context.Context) error { return scaled(ctx, c, key, 3, v1alpha1.FieldManagerReplicas) })
	})
	t.Run("stopped before", func(t *testing.T) {
		r := newScaling(false)
		r.stopped.Store(true)
		c, p, record := begin(t, r, threeReplicas)
		key := workloadOf(record)
		eventually(t, "it is stopped", func(ctx context.Context) error { return scaled(ctx, c, key, 0, v1alpha1.FieldManagerReconciler) })
		r.on.Store(true)
		reach(t, p, record, "it is started", func(ctx context.Context) error { return scaled(ctx, c, key, 3, v1alpha1.FieldManagerReplicas) })
		waitFor(t, c, record, "the record runs", running)
	})
}

// TestAnAutoscalerMakesRoomForAnother: KEDA refuses to scale what another autoscaler
// scales, so that waiting for the new one before the old one goes would never end.
func TestAnAutoscalerMakesRoomForAnother(t *testing.T) {
	r, widgets := newScaling(true), newWidgets("v1")
	c, _, record := begin(t, r, threeReplicas)
	key := workloadOf(record)
	waitFor(t, c, record, "the record runs", running)
	eventually(t, "it has an autoscaler", func(ctx context.Context) error { return autoscaler(ctx, c, key, true) })
	scale(t, c, key, 5)
	defer neverBelow(t, 5, fewest(t, c, record.Namespace))

	r.other.Store(new(widgets.Spec.Group + "/v1"))
	edit(t, c, record, func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers[0].Image = "registry.example/echo:2" })
	waitFor(t, c, record, "the other one cannot be made", because(v1alpha1.ConditionDegraded, metav1.ConditionTrue, "KindNotServed"))
	eventually(t, "the autoscaler is gone", func(ctx context.Context) error { return autoscaler(ctx, c, key, false) })
	if err := c.Create(t.Context(), widgets); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.WithoutCancel(t.Context()), widgets) })
	waitFor(t, c, record, "the record runs with the other one", running)
}

func TestAnAutoscalerStaysWithTheWorkloadThatServes(t *testing.T) {
	c, _, record := begin(t, newScaling(true), threeReplicas)
	key := workloadOf(record)
	waitFor(t, c, record, "the record runs", running)
	eventually(t, "it has an autoscaler", func(ctx context.Context) error { return autoscaler(ctx, c, key, true) })
	edit(t, c, record, func(r *v1alpha1.DeploymentRecord) { r.Spec.SelectedTemplate = templateStatefulSet })
	waitFor(t, c, record, "it is told that the new workload finds no place", because(v1alpha1.ConditionDegraded, metav1.ConditionTrue, "Unschedulable"))
	// Whatever wakes the record now, the old workload follows the load.
	err := wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, 3*time.Second, true, func(ctx context.Context) (bool, error) {
		return false, autoscaler(ctx, c, key, true)
	})
	if !wait.Interrupted(err) {
		t.Fatal(err)
	}
}

// TestHandOverOfReplicasSurvivesMishaps lets something go wrong at every write that
// turning autoscaling on and off takes.
func TestHandOverOfReplicasSurvivesMishaps(t *testing.T) {
	turn := func(t *testing.T, m mishap) (most int) {
		t.Helper()
		c, r := newClient(t), newScaling(false)
		record := newRecord(newNamespace(t, c), "echo", threeReplicas)
		name, key := client.ObjectKeyFromObject(record), workloadOf(record)
		if err := c.Create(t.Context(), record.DeepCopy()); err != nil {
			t.Fatal(err)
		}
		p := startProcess(t, c, r, mishap{}, false)
		is := func(on bool, owner string) func(context.Context) error {
			return func(ctx context.Context) error {
				now := &v1alpha1.DeploymentRecord{}
				if err := errors.Join(c.Get(ctx, name, now), scaled(ctx, c, key, 3, owner), autoscaler(ctx, c, key, on)); err != nil {
					return err
				}
				if !running(now) {
					return fmt.Errorf("status is %+v", now.Status)
				}
				return nil
			}
		}
		p.drive(t, name, "the record runs", is(false, v1alpha1.FieldManagerReconciler))
		defer neverBelow(t, 3, fewest(t, c, record.Namespace))
		for _, on := range []bool{true, false} {
			what, owner := "autoscaling is off", v1alpha1.FieldManagerReconciler
			if on {
				what, owner = "autoscaling is on", v1alpha1.FieldManagerReplicas
			}
			r.on.Store(on)
			p.next(m)
			p.drive(t, name, what, is(on, owner))
			most = max(most, p.count())
			if p.isDead() {
				p = startProcess(t, c, r, mishap{}, false)
				p.drive(t, name, what+" after a restart", is(on, owner))
			}
		}
		return most
	}
	most := turn(t, mishap{})
	for n := 1; n <= most; n++ {
		for what, m := range map[string]mishap{
			fmt.Sprintf("killed after write %d", n):   {n: n, kill: true},
			fmt.Sprintf("answer to write %d lost", n): {n: n, lost: true},
			fmt.Sprintf("write %d refused", n):        {n: n},
		} {
			t.Run(what, func(t *testing.T) {
				t.Parallel()
				turn(t, m)
			})
		}
	}
}
