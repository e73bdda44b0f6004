// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"context"
	"fmt"
	"runtime/debug"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// work writes what a queue gives out until the queue is shut down.
func (r *Recorder) work(ctx context.Context, queue workqueue.TypedDelayingInterface[types.NamespacedName]) {
	for {
		key, shutdown := queue.Get()
		if shutdown || ctx.Err() != nil {
			return
		}
		r.attempt(ctx, queue, key)
	}
}

// attempt writes one unit's report if it is due, and otherwise puts it back.
func (r *Recorder) attempt(ctx context.Context, queue workqueue.TypedDelayingInterface[types.NamespacedName], key types.NamespacedName) {
	defer queue.Done(key)
	if !r.due(ctx, queue, key) {
		return
	}
	now := r.config.Clock.Now()
	if wait := r.limiter.ReserveN(now, 1).DelayFrom(now); wait > 0 {
		timer := r.config.Clock.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C():
		case <-ctx.Done():
			// What is pending is flushed.
			return
		}
	}
	// A write that has begun is finished although the server stops.
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	if err := r.write(writing, key); err != nil {
		klog.FromContext(ctx).Error(err, "A report was not written, trying again later", "runtimeState", key)
	}
}

// due tells whether it is time. Another replica may have written meanwhile, which
// counts: the bound is one for all of them.
func (r *Recorder) due(ctx context.Context, queue workqueue.TypedDelayingInterface[types.NamespacedName], key types.NamespacedName) bool {
	cached, err := r.config.Store.Cached(ctx, key)
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[key]
	if e == nil || e.writing != nil || e.pending.empty() {
		return false
	}
	now := r.config.Clock.Now()
	if err == nil {
		before := e.written
		e.notice(cached, now)
		if !e.written.Equal(before) {
			r.schedule(key, e)
			return false
		}
	}
	if wait := e.due.Sub(now); wait > 0 {
		queue.AddAfter(key, wait)
		return false
	}
	return true
}

// write stores what is pending of a unit now. A panic costs this report only.
func (r *Recorder) write(ctx context.Context, key types.NamespacedName) (err error) {
	pending, ok := r.begin(key)
	if !ok {
		return nil
	}
	var state *pm.RuntimeState
	wrote := false
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v: %s", cause, debug.Stack())
		}
		err = r.end(key, pending, state, wrote, err)
	}()
	owner, err := r.config.Units.Owner(ctx, pending.Unit)
	if err != nil {
		return fmt.Errorf("look up unit %s: %w", key, err)
	}
	if owner == nil {
		return nil
	}
	state, err = r.config.Store.Apply(ctx, key, func(state *pm.RuntimeState) bool {
		wrote = false
		news, _ := pending.since(&state.Status)
		if news.empty() {
			return false
		}
		wrote = true
		describe(state, pending.Unit, owner)
		news.write(&state.Status)
		return true
	})
	return err
}

func (r *Recorder) begin(key types.NamespacedName) (Report, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[key]
	if e == nil || e.writing != nil || e.pending.empty() {
		return Report{}, false
	}
	pending := e.pending
	e.pending = Report{Unit: pending.Unit}
	e.writing, e.begun = &pending, r.config.Clock.Now()
	return pending, true
}

// end notes how a write went and plans the next one.
func (r *Recorder) end(key types.NamespacedName, written Report, state *pm.RuntimeState, wrote bool, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[key]
	e.writing = nil
	switch {
	case apierrors.IsInvalid(err):
		// It will not become valid by waiting.
		r.config.Metrics.WithLabelValues("refused").Inc()
		e.failures = 0
	case err != nil:
		r.config.Metrics.WithLabelValues("failed").Inc()
		e.failures++
		e.written = r.config.Clock.Now()
		e.pending.add(written)
	case state == nil:
		// The unit is gone, and with it its entry.
		r.config.Metrics.WithLabelValues("dropped").Inc()
		delete(r.entries, key)
		return nil
	default:
		e.failures, e.last = 0, state
		if wrote {
			r.config.Metrics.WithLabelValues("written").Inc()
			e.written = e.begun
		} else {
			r.config.Metrics.WithLabelValues("outdated").Inc()
		}
	}
	if !r.stopping {
		r.schedule(key, e)
	}
	return err
}

// describe says whose state it is. The class deployment owns it, so that it goes
// with it also where nobody asks the Package Manager.
func describe(state *pm.RuntimeState, unit Unit, owner *Owner) {
	state.Spec = pm.RuntimeStateSpec{
		Cluster: unit.Cluster, DeploymentID: unit.DeploymentID, ClassDeployment: owner.Name, Environment: owner.Environment,
		PackageName: owner.PackageName, ClassKey: owner.ClassKey,
	}
	state.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: v1alpha1.SchemeGroupVersion.String(), Kind: "ClassDeployment", Name: owner.Name, UID: owner.UID,
	}}
}

// compareVersions orders resource versions; those that are none are equal to all.
func compareVersions(a, b string) int {
	result, err := resourceversion.CompareResourceVersion(a, b)
	if err != nil {
		return 0
	}
	return result
}
