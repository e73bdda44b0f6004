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
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render"
)

const (
	// conflictRetry is how often a name that somebody else holds is tried again:
	// that object is not ours to watch.
	conflictRetry = 15 * time.Second
	// staleRetry is the wait for a cache that is behind our own write.
	staleRetry = 200 * time.Millisecond
	// removalRetry bounds the wait for children to go, should their last event be
	// missed.
	removalRetry = 5 * time.Second
)

// Reconcile makes one pass: finalizer, children, status. Every step can be
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
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if id := record.Annotations[v1alpha1.AnnotationCorrelationID]; id != "" {
		ctx = logf.IntoContext(ctx, logf.FromContext(ctx).WithValues("correlationID", id))
	}
	if record.DeletionTimestamp.IsZero() {
		result, err = r.converge(ctx, record)
	} else {
		result, err = r.remove(ctx, record)
	}
	if apierrors.IsConflict(err) || (apierrors.IsNotFound(err) && !record.DeletionTimestamp.IsZero()) {
		// The cache has not caught up with a write, ours or another's; what is new
		// will be seen in a moment and is no error.
		logf.FromContext(ctx).V(1).Info("read an outdated record, trying again", "cause", err.Error())
		return reconcile.Result{RequeueAfter: staleRetry}, nil
	}
	return result, err
}

// converge brings the children to what the record asks for.
func (r *Reconciler) converge(ctx context.Context, record *v1alpha1.DeploymentRecord) (result reconcile.Result, err error) {
	if !controllerutil.ContainsFinalizer(record, v1alpha1.FinalizerDeployment) {
		before := record.DeepCopy()
		controllerutil.AddFinalizer(record, v1alpha1.FinalizerDeployment)
		if err := r.patch(ctx, record, before); err != nil {
			return reconcile.Result{}, fmt.Errorf("add finalizer: %w", err)
		}
	}

	seen := &observation{}
	defer func() {
		err = errors.Join(err, r.writeStatus(ctx, record, seen))
	}()

	seen.rendering, seen.renderErr = render.Render(render.Input{Record: record, MaxReplicas: r.maxReplicas})
	if seen.renderErr != nil {
		// Only another record helps, and that wakes us.
		return reconcile.Result{}, nil
	}
	owned, err := r.ownedChildren(ctx, r.client, record)
	if err != nil {
		return reconcile.Result{}, err
	}
	var failures []error
	for _, object := range seen.rendering.Objects {
		child := r.ensure(ctx, record, object.Intent, owned)
		seen.children = append(seen.children, child)
		switch {
		case errors.Is(child.problem, errForeign):
			result.RequeueAfter = conflictRetry
		case child.problem != nil:
			failures = append(failures, child.problem)
		}
	}
	// Nothing is taken away before its replacement is there.
	if len(failures) == 0 && result.RequeueAfter == 0 {
		failures = append(failures, r.prune(ctx, seen.rendering.Objects, owned)...)
	}
	pods := &corev1.PodList{}
	if err := r.client.List(ctx, pods, client.InNamespace(record.Namespace),
		client.MatchingLabels{v1alpha1.LabelDeploymentID: record.Name, v1alpha1.LabelManagedBy: v1alpha1.FieldManagerReconciler}); err != nil {
		failures = append(failures, fmt.Errorf("list pods: %w", err))
	}
	seen.troubles = troublesOf(pods.Items)
	// A child on its way out is made anew in another pass.
	leaving := slices.ContainsFunc(seen.children, func(c child) bool { return c.live != nil && c.live.GetDeletionTimestamp() != nil })
	seen.complete = len(failures) == 0 && !leaving
	return result, errors.Join(failures...)
}

// remove takes the children away and lets the record go once none is left.
func (r *Reconciler) remove(ctx context.Context, record *v1alpha1.DeploymentRecord) (reconcile.Result, error) {
	if !controllerutil.ContainsFinalizer(record, v1alpha1.FinalizerDeployment) {
		return reconcile.Result{}, nil
	}
	children, err := r.ownedChildren(ctx, r.client, record)
	if err != nil {
		return reconcile.Result{}, err
	}
	if len(children) == 0 {
		// The cache may not have heard of a child that was made a moment ago.
		if children, err = r.ownedChildren(ctx, r.live, record); err != nil {
			return reconcile.Result{}, err
		}
	}
	if len(children) > 0 {
		var failures []error
		for _, child := range children {
			failures = append(failures, r.delete(ctx, child))
		}
		failures = append(failures, r.writeStatus(ctx, record, &observation{removing: true, complete: true}))
		return reconcile.Result{RequeueAfter: removalRetry}, errors.Join(failures...)
	}
	before := record.DeepCopy()
	controllerutil.RemoveFinalizer(record, v1alpha1.FinalizerDeployment)
	if err := r.patch(ctx, record, before); err != nil {
		return reconcile.Result{}, fmt.Errorf("remove finalizer: %w", err)
	}
	logf.FromContext(ctx).Info("removed")
	return reconcile.Result{}, nil
}

// patch writes what changed in a record's metadata, unless somebody changed the
// record since it was read.
func (r *Reconciler) patch(ctx context.Context, record, before *v1alpha1.DeploymentRecord) error {
	return r.client.Patch(ctx, record, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}),
		client.FieldOwner(v1alpha1.FieldManagerReconciler))
}

// writeStatus computes the status from what was seen and writes it if it says
// something new, then tells of the transitions.
func (r *Reconciler) writeStatus(ctx context.Context, record *v1alpha1.DeploymentRecord, seen *observation) error {
	before := record.DeepCopy()
	record.Status = computeStatus(before, seen, r.clock.Now())
	if equality.Semantic.DeepEqual(before.Status, record.Status) {
		return nil
	}
	// With an optimistic lock, a pass over an outdated record cannot move the times
	// of transitions.
	if err := r.client.Status().Patch(ctx, record, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}),
		client.FieldOwner(v1alpha1.FieldManagerReconciler)); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	for _, transition := range transitions(before.Status.Conditions, record.Status.Conditions) {
		r.recorder.Eventf(record, nil, transition.eventType, transition.reason, "Reconcile", "%s", transition.message)
		logf.FromContext(ctx).Info("condition changed", "condition", transition.condition, "status", transition.status,
			"reason", transition.reason, "message", transition.message)
	}
	return nil
}
