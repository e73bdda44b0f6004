// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/children"
	"oaas.io/oaas/pkg/crm/quota"
)

const (
	// staleRetry is the wait for a cache that is behind our own write.
	staleRetry = 200 * time.Millisecond
	// removalRetry bounds the wait for children to go, should their last event be
	// missed.
	removalRetry = 5 * time.Second
)

// Reconcile makes one pass: inventory, children, status. Every step can be
// repeated with the same result.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (result reconcile.Result, err error) {
	start := r.clock.Now()
	defer func() {
		label := "success"
		if err != nil {
			label = "error"
		}
		r.duration.WithLabelValues(label).Observe(r.clock.Since(start).Seconds())
	}()

	record := &v1alpha1.DeploymentRecord{}
	if err := r.client.Get(ctx, request.NamespacedName, record); err != nil {
		if apierrors.IsNotFound(err) {
			r.progress.forget(request.NamespacedName)
			r.children.Forget(request.NamespacedName)
			r.renderer.Forget(request.NamespacedName)
			r.forgetGrid(request.NamespacedName)
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if r.progress.outdated(record) {
		return reconcile.Result{RequeueAfter: cacheRetry}, nil
	}
	if id := record.Annotations[v1alpha1.AnnotationCorrelationID]; id != "" {
		ctx = logf.IntoContext(ctx, logf.FromContext(ctx).WithValues("correlationID", id))
	}
	if record.DeletionTimestamp.IsZero() {
		result, err = r.converge(ctx, record)
	} else {
		result, err = r.remove(ctx, record)
	}
	if (apierrors.IsConflict(err) && !denied(err)) || (apierrors.IsNotFound(err) && !record.DeletionTimestamp.IsZero()) {
		// The cache has not caught up with a write, ours or another's; what is new
		// will be seen in a moment and is no error.
		logf.FromContext(ctx).V(1).Info("read an outdated record, trying again", "cause", err.Error())
		return reconcile.Result{RequeueAfter: staleRetry}, nil
	}
	return result, err
}

// converge brings the children to what the record asks for.
func (r *Reconciler) converge(ctx context.Context, record *v1alpha1.DeploymentRecord) (reconcile.Result, error) {
	rendering, err := r.renderer.Outline(ctx, record)
	if err != nil && faultOf(err).passing {
		// It says nothing about the record.
		return reconcile.Result{}, err
	}
	if err != nil {
		// Nobody knows which pods are its nodes.
		r.forgetGrid(nameOf(record))
		seen := &observation{renderErr: err}
		var failed error
		if seen.leftAlone, failed = r.lookAtWhatRuns(ctx, record); failed != nil {
			logf.FromContext(ctx).V(1).Info("cannot look at what runs", "cause", failed.Error())
		}
		result, failure := r.writeStatus(ctx, record, seen)
		_, refused := errors.AsType[Refusal](err)
		_, exceeded := errors.AsType[*quota.ExceededError](err)
		if refused || exceeded {
			// Only another record, template or environment helps, and those wake us.
			return soonest(result, reconcile.Result{RequeueAfter: slowRetry}), failure
		}
		return result, errors.Join(err, failure)
	}
	p := &pass{record: record, rendering: rendering}
	if p.missing, err = r.need(ctx, p); err != nil {
		if unreachable(err) {
			return reconcile.Result{}, err
		}
		result, failure := r.writeStatus(ctx, record, &observation{broken: err})
		return result, errors.Join(err, failure)
	}
	p.inventory = inventoryOf(record.Status.ResourceRefs, rendering.Objects, r.owned(record))
	if err := r.announce(ctx, p); err != nil {
		return reconcile.Result{}, err
	}
	seen, result, err := r.act(ctx, p)
	written, failure := r.writeStatus(ctx, record, seen)
	return soonest(result, written), errors.Join(err, failure)
}

// need makes sure that everything of the kinds that the record asks for is known.
// It returns why objects of a kind cannot be made.
func (r *Reconciler) need(ctx context.Context, p *pass) (map[schema.GroupVersionKind]error, error) {
	missing := map[schema.GroupVersionKind]error{}
	for _, object := range p.rendering.Objects {
		kind := object.GroupVersionKind
		if missing[kind] != nil {
			continue
		}
		err := r.children.Need(ctx, nameOf(p.record), kind)
		_, notServed := errors.AsType[*children.NotServedError](err)
		_, clusterScoped := errors.AsType[*children.ClusterScopedError](err)
		switch {
		case notServed, clusterScoped:
			missing[kind] = err
		case err != nil:
			return nil, err
		}
	}
	return missing, r.needKnown(ctx, p.record)
}

// needKnown makes sure that everything of the kinds in a record's inventory is known.
func (r *Reconciler) needKnown(ctx context.Context, record *v1alpha1.DeploymentRecord) error {
	for _, ref := range record.Status.ResourceRefs {
		// What left with its kind is dropped from the inventory later.
		err := r.children.Need(ctx, nameOf(record), kindOf(ref))
		if _, notServed := errors.AsType[*children.NotServedError](err); err != nil && !notServed {
			return err
		}
	}
	return nil
}

// announce writes down what will be made before any of it is.
func (r *Reconciler) announce(ctx context.Context, p *pass) error {
	before := p.record.DeepCopy()
	if p.markParent() {
		if err := r.patch(ctx, p.record, before); err != nil {
			return fmt.Errorf("add finalizer: %w", err)
		}
	}
	if covers(p.record.Status.ResourceRefs, p.rendering.Objects) {
		return nil
	}
	return r.persist(ctx, p.record, announced(p.record, p, r.clock.Now()))
}

// act makes, changes and removes children, as far as is possible now.
func (r *Reconciler) act(ctx context.Context, p *pass) (*observation, reconcile.Result, error) {
	seen := &observation{inventory: p.inventory}
	var result reconcile.Result
	var failures []error
	p.gridReady = r.gridServes(p)
	for i := range p.rendering.Objects {
		done := r.ensure(ctx, p, i)
		seen.children = append(seen.children, done)
		switch {
		case done.fault == nil:
		case done.fault.again > 0:
			result = soonest(result, reconcile.Result{RequeueAfter: done.fault.again})
		default:
			failures = append(failures, done.fault)
		}
	}
	seen.rendering = p.rendering
	// A child on its way out is made anew in another pass.
	seen.applied = !p.recreated && !slices.ContainsFunc(seen.children, func(c child) bool {
		return c.fault != nil || c.postponed || c.live == nil || c.leaving()
	})
	if err := r.prune(ctx, p, seen); err != nil {
		failures = append(failures, err)
	}
	pods, err := r.podsOf(ctx, p.record)
	if err != nil {
		failures = append(failures, err)
	}
	seen.troubles = troublesOf(pods)
	result = soonest(result, r.askGrid(p, seen, pods))
	seen.recreating = p.recreated
	seen.complete = len(failures) == 0 && seen.applied && len(seen.surplus) == 0
	return seen, result, errors.Join(failures...)
}

// podsOf returns the pods of a record from the cache, which must not be changed.
func (r *Reconciler) podsOf(ctx context.Context, record *v1alpha1.DeploymentRecord) ([]corev1.Pod, error) {
	pods := &corev1.PodList{}
	if err := r.client.List(ctx, pods, client.InNamespace(record.Namespace),
		client.MatchingFields{PodIndex: record.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	return pods.Items, nil
}

// patch writes what changed in a record's metadata, unless somebody changed the
// record since it was read.
func (r *Reconciler) patch(ctx context.Context, record, before *v1alpha1.DeploymentRecord) error {
	err := r.client.Patch(ctx, record, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}),
		client.FieldOwner(v1alpha1.FieldManagerReconciler))
	if err == nil {
		r.progress.wrote(record)
	}
	return err
}

// soonest is the result that looks again first.
func soonest(a, b reconcile.Result) reconcile.Result {
	if a.RequeueAfter == 0 || (b.RequeueAfter > 0 && b.RequeueAfter < a.RequeueAfter) {
		return b
	}
	return a
}

func nameOf(record *v1alpha1.DeploymentRecord) types.NamespacedName {
	return client.ObjectKeyFromObject(record)
}
