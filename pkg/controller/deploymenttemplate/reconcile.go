// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymenttemplate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/rollout"
	"oaas.io/oaas/pkg/crm/template"
	"oaas.io/oaas/pkg/wording"
)

// Reasons of a template's conditions, besides those of package rollout.
const (
	// ReasonCompiled: every expression and manifest is in order.
	ReasonCompiled = "Compiled"
	// ReasonInvalid: an expression or a manifest is wrong; the message names each.
	ReasonInvalid = "Invalid"
	// ReasonServed: the cluster serves every kind that the template needs.
	ReasonServed = "Served"
	// ReasonKindsMissing: the cluster does not serve a kind that the template needs.
	ReasonKindsMissing = "KindsMissing"
)

// staleRetry is the wait for a cache that is behind our own write.
const staleRetry = 200 * time.Millisecond

// Reconcile makes one pass over a template.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	t := &v1alpha1.DeploymentTemplate{}
	if err := r.client.Get(ctx, request.NamespacedName, t); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	records, err := r.records(ctx, t.Name)
	if err != nil {
		return reconcile.Result{}, err
	}
	if err := r.protect(ctx, t, len(records) > 0); err != nil {
		return stale(ctx, fmt.Errorf("protect the template while records use it: %w", err))
	}
	before := t.DeepCopy()
	r.observe(t, records)
	if equality.Semantic.DeepEqual(before.Status, t.Status) {
		return reconcile.Result{}, nil
	}
	if err := r.client.Status().Patch(ctx, t, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}),
		client.FieldOwner(v1alpha1.FieldManagerReconciler)); err != nil {
		return stale(ctx, fmt.Errorf("write status: %w", err))
	}
	r.announce(ctx, before, t)
	return reconcile.Result{}, nil
}

// stale tries again in a moment when the cache has not caught up with a write.
func stale(ctx context.Context, err error) (reconcile.Result, error) {
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		logf.FromContext(ctx).V(1).Info("read an outdated template, trying again", "cause", err.Error())
		return reconcile.Result{RequeueAfter: staleRetry}, nil
	}
	return reconcile.Result{}, err
}

// records are those whose children were made from the template, ordered by key.
func (r *Reconciler) records(ctx context.Context, name string) ([]rollout.Record, error) {
	list := &v1alpha1.DeploymentRecordList{}
	if err := r.client.List(ctx, list, client.MatchingFields{templateIndex: name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list records of template %s: %w", name, err)
	}
	var records []rollout.Record
	for i := range list.Items {
		// A record on its way out takes no other revision.
		if list.Items[i].DeletionTimestamp == nil {
			records = append(records, useOf(&list.Items[i]))
		}
	}
	return records, nil
}

// useOf is how a record uses its template.
func useOf(record *v1alpha1.DeploymentRecord) rollout.Record {
	is := func(condition string) bool { return meta.IsStatusConditionTrue(record.Status.Conditions, condition) }
	return rollout.Record{
		Key:  record.Namespace + "/" + record.Name,
		Hash: record.Status.TemplateHash,
		Healthy: is(v1alpha1.ConditionAvailable) && !is(v1alpha1.ConditionDegraded) && !is(v1alpha1.ConditionProgressing) &&
			record.Status.ObservedGeneration == record.Generation,
		Degraded: is(v1alpha1.ConditionDegraded),
	}
}

// protect keeps the finalizer exactly while records use the template.
func (r *Reconciler) protect(ctx context.Context, t *v1alpha1.DeploymentTemplate, used bool) error {
	before := t.DeepCopy()
	switch {
	case used && t.DeletionTimestamp == nil:
		controllerutil.AddFinalizer(t, v1alpha1.FinalizerTemplateInUse)
	case !used:
		controllerutil.RemoveFinalizer(t, v1alpha1.FinalizerTemplateInUse)
	}
	if slices.Equal(before.Finalizers, t.Finalizers) {
		return nil
	}
	return r.client.Patch(ctx, t, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}),
		client.FieldOwner(v1alpha1.FieldManagerReconciler))
}

// observe computes the status of a template.
func (r *Reconciler) observe(t *v1alpha1.DeploymentTemplate, records []rollout.Record) {
	compiled, problems := template.Compile(t.Name, &t.Spec)
	hash := template.Hash(&t.Spec)
	s := &t.Status
	s.ObservedGeneration = t.Generation
	s.Records = int32(len(records))
	r.set(t, v1alpha1.TemplateValid, metav1.ConditionTrue, ReasonCompiled, "Every expression and manifest is in order.")
	if len(problems) > 0 {
		// What is wrong is not rolled out; records go on with the revision they have.
		r.set(t, v1alpha1.TemplateValid, metav1.ConditionFalse, ReasonInvalid, problems.ToAggregate().Error())
		r.set(t, v1alpha1.TemplateRolledOut, metav1.ConditionFalse, ReasonInvalid, "The newest content is not in order: records keep the revision that they have.")
		s.UpdatedRecords = 0
		for _, record := range records {
			if record.Hash == s.Hash {
				s.UpdatedRecords++
			}
		}
		return
	}
	s.Hash = hash
	if missing := r.missing(compiled); len(missing) > 0 {
		r.set(t, v1alpha1.TemplateUsable, metav1.ConditionFalse, ReasonKindsMissing, "The cluster does not serve "+strings.Join(missing, ", ")+".")
	} else {
		r.set(t, v1alpha1.TemplateUsable, metav1.ConditionTrue, ReasonServed, "The cluster serves every kind that the template needs.")
	}
	state := rollout.Next(hash, records, s.Rollout, r.options.BatchSize)
	s.Rollout, s.UpdatedRecords = state.Rollout, state.Updated
	r.set(t, v1alpha1.TemplateRolledOut, state.Status, state.Reason, state.Message)
	s.Revisions = revisions(s.Revisions, v1alpha1.TemplateRevision{Hash: hash, Spec: *t.Spec.DeepCopy()}, records)
}

// missing are the kinds that the template needs and the cluster does not serve.
func (r *Reconciler) missing(compiled *template.Template) []string {
	var missing []string
	for _, kind := range compiled.Kinds() {
		if !kind.Optional && !r.options.Kinds.Served(kind.GroupKind()) {
			missing = append(missing, kind.GroupVersion().String()+" "+kind.GroupVersionKind.Kind)
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

// revisions are the newest and those known ones that a record still uses.
func revisions(known []v1alpha1.TemplateRevision, newest v1alpha1.TemplateRevision, records []rollout.Record) []v1alpha1.TemplateRevision {
	used := map[string]bool{}
	for _, record := range records {
		used[record.Hash] = true
	}
	kept := []v1alpha1.TemplateRevision{newest}
	for _, revision := range known {
		if revision.Hash != newest.Hash && used[revision.Hash] {
			kept = append(kept, revision)
		}
	}
	return kept
}

// set keeps the time of a condition whose status stays the same.
func (r *Reconciler) set(t *v1alpha1.DeploymentTemplate, kind string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&t.Status.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: wording.Cut(message, wording.MessageRoom),
		ObservedGeneration: t.Generation, LastTransitionTime: metav1.NewTime(r.options.Clock.Now()),
	})
}

// announce tells once of what began or ceased.
func (r *Reconciler) announce(ctx context.Context, before, after *v1alpha1.DeploymentTemplate) {
	for _, condition := range after.Status.Conditions {
		previous := meta.FindStatusCondition(before.Status.Conditions, condition.Type)
		if previous != nil && previous.Status == condition.Status && previous.Reason == condition.Reason {
			continue
		}
		if previous == nil && condition.Status == metav1.ConditionTrue {
			// In order from the first moment on is no news.
			continue
		}
		if condition.Type == v1alpha1.TemplateRolledOut && condition.Reason == ReasonInvalid {
			// What is wrong is told once.
			continue
		}
		eventType := corev1.EventTypeNormal
		if condition.Status != metav1.ConditionTrue && condition.Reason != rollout.ReasonInProgress && condition.Reason != ReasonKindsMissing {
			eventType = corev1.EventTypeWarning
		}
		r.recorder.Eventf(after, nil, eventType, condition.Reason, "Check", "%s", wording.Cut(condition.Message, wording.NoteRoom))
		logf.FromContext(ctx).Info("condition changed", "condition", condition.Type, "status", condition.Status,
			"reason", condition.Reason, "message", condition.Message)
	}
}
