// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// conflictAttempts is how often a status is written again because others wrote the
// record's metadata meanwhile.
const conflictAttempts = 5

// writeStatus computes the status from what was seen and writes it if it says
// something new. Details of a rollout may wait; then it says until when.
func (r *Reconciler) writeStatus(ctx context.Context, record *v1alpha1.DeploymentRecord, seen *observation) (reconcile.Result, error) {
	status := computeStatus(record, seen, r.clock.Now())
	name := nameOf(record)
	if equality.Semantic.DeepEqual(record.Status, status) {
		r.progress.upToDate(name)
		return reconcile.Result{}, nil
	}
	if !urgent(&record.Status, &status) {
		if wait := r.progress.detailsDue(name); wait > 0 {
			return reconcile.Result{RequeueAfter: wait}, nil
		}
	}
	if err := r.persist(ctx, record, status); err != nil {
		return reconcile.Result{}, err
	}
	if stepping(&status) {
		// What the status says of the last step decides about the next, and our own
		// writes do not wake us.
		return reconcile.Result{RequeueAfter: staleRetry}, nil
	}
	return reconcile.Result{}, nil
}

// stepping tells whether the size of the data grid changes step by step.
func stepping(status *v1alpha1.DeploymentRecordStatus) bool {
	return status.ODGMClusterStatus != nil && status.ODGMClusterStatus.TargetNodes != nil
}

// persist writes a status and tells of the transitions.
func (r *Reconciler) persist(ctx context.Context, record *v1alpha1.DeploymentRecord, status v1alpha1.DeploymentRecordStatus) error {
	before := record.DeepCopy()
	record.Status = status
	if err := r.patchStatus(ctx, record, before); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	r.progress.wrote(record)
	r.progress.upToDate(nameOf(record))
	for _, transition := range transitions(before.Status.Conditions, status.Conditions) {
		r.tell(record, transition.eventType, transition.reason, transition.message)
		logf.FromContext(ctx).Info("condition changed", "condition", transition.condition, "status", transition.status,
			"reason", transition.reason, "message", transition.message)
	}
	return nil
}

// tell records an event about a record. The API server refuses a message that is too
// long.
func (r *Reconciler) tell(record *v1alpha1.DeploymentRecord, eventType, reason, message string) {
	r.recorder.Eventf(record, nil, eventType, reason, "Reconcile", "%s", limit(message))
}

// patchStatus writes a status with an optimistic lock, so that a pass over an
// outdated record neither moves the times of transitions nor loses what is in the
// inventory. Somebody who only writes the record's metadata, however often, does
// not keep the status from being written.
func (r *Reconciler) patchStatus(ctx context.Context, record, before *v1alpha1.DeploymentRecord) error {
	status := record.Status
	for attempt := 1; ; attempt++ {
		err := r.client.Status().Patch(ctx, record, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}),
			client.FieldOwner(v1alpha1.FieldManagerReconciler))
		if !apierrors.IsConflict(err) || attempt == conflictAttempts {
			return err
		}
		newest := &v1alpha1.DeploymentRecord{}
		if failure := r.live.Get(ctx, nameOf(record), newest); failure != nil {
			return failure
		}
		if newest.UID != before.UID || newest.Generation != before.Generation || !equality.Semantic.DeepEqual(newest.Status, before.Status) {
			return err
		}
		before = newest
		newest.DeepCopyInto(record)
		record.Status = status
	}
}

// urgent tells whether a change of the status must be written at once. While a
// record is on its way, and goes on being so, numbers and places change often and
// matter little.
func urgent(before, after *v1alpha1.DeploymentRecordStatus) bool {
	onItsWay := meta.IsStatusConditionTrue(before.Conditions, v1alpha1.ConditionProgressing) &&
		meta.IsStatusConditionTrue(after.Conditions, v1alpha1.ConditionProgressing)
	if !onItsWay || before.Condition != after.Condition || before.SelectedTemplate != after.SelectedTemplate || before.TemplateHash != after.TemplateHash ||
		!equality.Semantic.DeepEqual(before.Admitted, after.Admitted) || stepping(before) || stepping(after) {
		return true
	}
	for _, kind := range []string{v1alpha1.ConditionAvailable, v1alpha1.ConditionDegraded, v1alpha1.ConditionODGMReady} {
		was, is := meta.FindStatusCondition(before.Conditions, kind), meta.FindStatusCondition(after.Conditions, kind)
		if (was == nil) != (is == nil) || (was != nil && (was.Status != is.Status || was.Reason != is.Reason || failing(is) && was.Message != is.Message)) {
			return true
		}
	}
	return false
}

// failing conditions tell of something that people have to look at.
func failing(c *metav1.Condition) bool {
	return c.Type == v1alpha1.ConditionDegraded && c.Status == metav1.ConditionTrue
}
