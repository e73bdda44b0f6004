// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/controller/deploymentrecord"
	"oaas.io/oaas/pkg/crm/children"
)

// errDead is what a process that was killed gets from every call, and errLost what
// one gets whose call arrived and whose answer did not.
var (
	errDead = errors.New("the process is dead")
	errLost = errors.New("the answer was lost")
)

// mishap is what happens at the n-th write of a process, counted from 1; n 0 is
// never.
type mishap struct {
	n int
	// kill ends the process right after the write.
	kill bool
	// lost applies the write and answers with an error; otherwise the write is
	// refused.
	lost bool
}

// process is one run of the reconciler, driven by the test.
type process struct {
	reconciler *deploymentrecord.Reconciler
	known      *children.Cache
	stop       context.CancelFunc

	mu     sync.Mutex
	mishap mishap
	writes int
	dead   bool
}

// written counts a write and tells what becomes of it.
func (p *process) written(write func() error) error {
	p.mu.Lock()
	p.writes++
	hit, m := p.writes == p.mishap.n, p.mishap
	if p.dead {
		p.mu.Unlock()
		return errDead
	}
	p.dead = hit && m.kill
	p.mu.Unlock()
	if hit && !m.kill && !m.lost {
		return errLost
	}
	err := write()
	if hit && err == nil && m.lost {
		return errLost
	}
	return err
}

func (p *process) read(read func() error) error {
	if p.isDead() {
		return errDead
	}
	return read()
}

func (p *process) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

func (p *process) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.writes
}

// next lets something happen at another write, counted from now.
func (p *process) next(m mishap) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes, p.mishap = 0, m
}

func (p *process) intercept() interceptor.Funcs {
	return interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			return p.read(func() error { return c.Get(ctx, key, object, options...) })
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			return p.read(func() error { return c.List(ctx, list, byLabel(options)) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			return p.written(func() error { return c.Delete(ctx, object, options...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			return p.written(func() error { return c.Patch(ctx, object, patch, options...) })
		},
		Apply: func(ctx context.Context, c client.WithWatch, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
			return p.written(func() error { return c.Apply(ctx, object, options...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, name string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			return p.written(func() error { return c.SubResource(name).Patch(ctx, object, patch, options...) })
		},
	}
}

// startProcess runs the reconciler. Stale makes it read everything that changed one
// version late, once.
func startProcess(t *testing.T, c client.WithWatch, renderer deploymentrecord.Renderer, m mishap, stale bool) *process {
	t.Helper()
	p := &process{mishap: m}
	known, err := children.New(children.Options{Config: kube.RESTConfig(), Mapper: c.RESTMapper(), Clock: clock.RealClock{}, Log: logr.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	p.known = known
	ctx, stop := context.WithCancel(t.Context())
	p.stop = stop
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	t.Cleanup(func() { stop(); queue.ShutDown() })
	if err := known.Start(ctx, queue); err != nil {
		t.Fatal(err)
	}
	if err := known.WaitForSync(ctx); err != nil {
		t.Fatal(err)
	}
	reads, seen := interceptor.NewClient(c, p.intercept()), deploymentrecord.Children(known)
	if stale {
		late := newLate(known)
		reads, seen = interceptor.NewClient(reads, late.intercept()), late
	}
	p.reconciler, err = deploymentrecord.New(deploymentrecord.Options{
		Client: reads, Live: interceptor.NewClient(c, p.intercept()), Children: seen, Renderer: renderer,
		Recorder: &events.FakeRecorder{}, Clock: clock.RealClock{}, Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// drive makes passes over a record until done, or until the process is dead.
func (p *process) drive(t *testing.T, key client.ObjectKey, what string, done func(context.Context) error) {
	t.Helper()
	var last error
	for deadline := time.After(patience); ; {
		_, failure := p.reconciler.Reconcile(t.Context(), reconcile.Request{NamespacedName: key})
		if p.isDead() {
			p.stop()
			return
		}
		if last = done(t.Context()); last == nil && failure == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("waiting until %s: %v; the last pass said: %v", what, last, failure)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// byLabel asks for the pods of a record by their labels: only caches have indexes,
// and this client reads from the API server.
func byLabel(options []client.ListOption) *client.ListOptions {
	asked := (&client.ListOptions{}).ApplyOptions(options)
	if asked.FieldSelector == nil {
		return asked
	}
	if record, ok := asked.FieldSelector.RequiresExactMatch(deploymentrecord.PodIndex); ok {
		asked.FieldSelector = nil
		asked.LabelSelector = labels.SelectorFromSet(labels.Set{
			v1alpha1.LabelDeploymentID: record, v1alpha1.LabelManagedBy: v1alpha1.FieldManagerReconciler,
		})
	}
	return asked
}
