// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/children"
)

// remove takes the children away and lets the record go once none is left.
func (r *Reconciler) remove(ctx context.Context, record *v1alpha1.DeploymentRecord) (reconcile.Result, error) {
	if !controllerutil.ContainsFinalizer(record, v1alpha1.FinalizerDeployment) {
		return reconcile.Result{}, nil
	}
	if controllerutil.ContainsFinalizer(record, metav1.FinalizerOrphanDependents) {
		// Whoever deletes the record wants to keep what was made for it. The garbage
		// collector lets go of it first and then takes this finalizer away, which wakes us.
		return reconcile.Result{}, nil
	}
	left, orphaned, err := r.removeChildren(ctx, record)
	if err == nil && len(left) == 0 && !orphaned {
		left, err = r.removeClaims(ctx, record)
	}
	if err != nil || len(left) > 0 {
		result, failure := r.writeStatus(ctx, record, &observation{removing: true, parting: left, broken: err})
		return soonest(result, reconcile.Result{RequeueAfter: removalRetry}), errors.Join(err, failure)
	}
	before := record.DeepCopy()
	controllerutil.RemoveFinalizer(record, v1alpha1.FinalizerDeployment)
	// The lock makes sure that the inventory was the newest.
	if err := r.patch(ctx, record, before); err != nil {
		return reconcile.Result{}, fmt.Errorf("remove finalizer: %w", err)
	}
	logf.FromContext(ctx).Info("removed")
	return reconcile.Result{}, nil
}

// removeChildren deletes what is in the inventory and belongs to the record. It returns
// what is not gone yet, and whether the garbage collector let go of what was made, which
// then goes on using its data.
func (r *Reconciler) removeChildren(ctx context.Context, record *v1alpha1.DeploymentRecord) (left []string, orphaned bool, err error) {
	var rest, data []*children.Object
	var failures []error
	for _, ref := range inventoryOf(record.Status.ResourceRefs, nil, r.owned(record)) {
		live, err := r.lookUp(ctx, record, ref)
		switch {
		case err != nil:
			failures = append(failures, err)
		case live == nil:
		case ref.Keep || holdsData(live.Kind.GroupKind()):
			data = append(data, live)
		case metav1.GetControllerOfNoCopy(live) == nil:
			orphaned = true
		default:
			rest = append(rest, live)
		}
	}
	// Of what could not be looked at, nobody knows whether it needs the data.
	retained := record.Spec.DeletionPolicy == v1alpha1.DeletionRetain || orphaned
	if !retained && len(failures) == 0 {
		rest, data = append(rest, data...), nil
	}
	for _, live := range rest {
		// The version makes sure that nobody let go of it meanwhile.
		failures = append(failures, r.delete(ctx, live, sameVersion(live)))
		left = append(left, live.Kind.Kind+" "+live.Name)
	}
	if retained {
		for _, live := range data {
			failures = append(failures, r.release(ctx, live))
		}
	}
	return left, orphaned, errors.Join(failures...)
}

// release makes an object outlive the record: nobody owns it any more. Its labels
// stay, so that a record of the same name finds it again.
func (r *Reconciler) release(ctx context.Context, object *children.Object) error {
	if metav1.GetControllerOfNoCopy(object) == nil {
		return nil
	}
	target := metadataOf(object)
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(target), target); err != nil {
		return client.IgnoreNotFound(err)
	}
	if target.UID != object.UID {
		return nil
	}
	before := target.DeepCopy()
	var others []metav1.OwnerReference
	for _, owner := range target.OwnerReferences {
		if owner.UID != object.OwnerReferences[0].UID {
			others = append(others, owner)
		}
	}
	target.OwnerReferences = others
	logf.FromContext(ctx).Info("retaining", "kind", object.Kind.Kind, "name", object.Name)
	err := r.client.Patch(ctx, target, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}),
		client.FieldOwner(v1alpha1.FieldManagerReconciler))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("retain %s %s: %w", object.Kind.Kind, object.Name, err)
	}
	return nil
}

// removeClaims deletes the volume claims that a StatefulSet made for its pods. They
// have no owner, for they hold data; the labels of the StatefulSet tell whose they
// are. It returns what is not gone yet.
func (r *Reconciler) removeClaims(ctx context.Context, record *v1alpha1.DeploymentRecord) ([]string, error) {
	if record.Spec.DeletionPolicy == v1alpha1.DeletionRetain {
		return nil, nil
	}
	kind := corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim")
	claims := &metav1.PartialObjectMetadataList{}
	claims.SetGroupVersionKind(kind)
	err := r.live.List(ctx, claims, client.InNamespace(record.Namespace), client.MatchingLabels{
		v1alpha1.LabelDeploymentID: record.Name, v1alpha1.LabelManagedBy: v1alpha1.FieldManagerReconciler,
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("list volume claims: %w", err)
	}
	var left []string
	var failures []error
	for i := range claims.Items {
		claim := children.Digest(kind, &claims.Items[i])
		failures = append(failures, r.delete(ctx, claim, sameObject(claim)))
		left = append(left, kind.Kind+" "+claims.Items[i].Name)
	}
	return left, errors.Join(failures...)
}
