// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"context"
	"errors"
	"fmt"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/drift"
	"oaas.io/oaas/pkg/crm/render"
)

// errForeign says that somebody else's object has the name that a child needs.
var errForeign = errors.New("exists and does not belong to the record: remove or rename it")

// childKey identifies a child of one record.
type childKey struct {
	kind schema.GroupKind
	name string
}

func keyOf(object *unstructured.Unstructured) childKey {
	return childKey{kind: object.GroupVersionKind().GroupKind(), name: object.GetName()}
}

// child is one object that the record asks for.
type child struct {
	intent *unstructured.Unstructured
	// live is the object as it is on the cluster; nil when there is none of ours.
	live *unstructured.Unstructured
	// problem tells why the object is not as it should be.
	problem error
}

// ownedChildren returns every object of the record that exists, by label and
// owner.
func (r *Reconciler) ownedChildren(ctx context.Context, from client.Reader, record *v1alpha1.DeploymentRecord) (map[childKey]*unstructured.Unstructured, error) {
	owned := map[childKey]*unstructured.Unstructured{}
	for _, prototype := range ChildKinds() {
		gvk, err := apiutil.GVKForObject(prototype, r.client.Scheme())
		if err != nil {
			return nil, fmt.Errorf("list children: %w", err)
		}
		list, err := r.client.Scheme().New(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		if err != nil {
			return nil, fmt.Errorf("list children: %w", err)
		}
		objects, ok := list.(client.ObjectList)
		if !ok {
			return nil, fmt.Errorf("list children: %T is no list of objects", list)
		}
		if err := from.List(ctx, objects, client.InNamespace(record.Namespace), client.MatchingLabels{
			v1alpha1.LabelDeploymentID: record.Name,
			v1alpha1.LabelManagedBy:    v1alpha1.FieldManagerReconciler,
		}); err != nil {
			return nil, fmt.Errorf("list children of kind %s: %w", gvk.Kind, err)
		}
		err = meta.EachListItem(objects, func(object runtime.Object) error {
			content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
			if err != nil {
				return fmt.Errorf("convert child of kind %s: %w", gvk.Kind, err)
			}
			u := &unstructured.Unstructured{Object: content}
			u.SetGroupVersionKind(gvk)
			if metav1.IsControlledBy(u, record) {
				owned[keyOf(u)] = u
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return owned, nil
}

// ensure brings one object to its intent and writes only when that changes
// something.
func (r *Reconciler) ensure(ctx context.Context, record *v1alpha1.DeploymentRecord, intent *unstructured.Unstructured, owned map[childKey]*unstructured.Unstructured) child {
	log := logf.FromContext(ctx).WithValues("kind", intent.GetKind(), "name", intent.GetName())
	live := owned[keyOf(intent)]
	if live == nil {
		// It may be there all the same: not in the cache yet, without our label, or
		// somebody else's.
		found, err := r.find(ctx, intent)
		switch {
		case err != nil:
			return child{intent: intent, problem: err}
		case found == nil:
			log.Info("creating")
			// Not forced, so that an object which appears this very moment is not
			// overwritten.
			return r.apply(ctx, intent, nil)
		case !metav1.IsControlledBy(found, record):
			return child{intent: intent, problem: fmt.Errorf("%s %s %w", intent.GetKind(), intent.GetName(), errForeign)}
		default:
			log.Info("taking back")
			return r.apply(ctx, intent, found)
		}
	}
	if live.GetDeletionTimestamp() != nil {
		// Its last event wakes us to make it anew.
		return child{intent: intent, live: live}
	}
	if live.GetAnnotations()[v1alpha1.AnnotationSpecHash] != intent.GetAnnotations()[v1alpha1.AnnotationSpecHash] {
		log.Info("updating")
		return r.apply(ctx, intent, live)
	}
	if path, found := drift.Find(intent.Object, live.Object); found {
		log.Info("repairing", "field", path)
		return r.apply(ctx, intent, live)
	}
	return child{intent: intent, live: live}
}

// find looks for an object on the API server; nil when there is none.
func (r *Reconciler) find(ctx context.Context, intent *unstructured.Unstructured) (*metav1.PartialObjectMetadata, error) {
	found := &metav1.PartialObjectMetadata{}
	found.SetGroupVersionKind(intent.GroupVersionKind())
	err := r.live.Get(ctx, client.ObjectKeyFromObject(intent), found)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", intent.GetKind(), intent.GetName(), err)
	}
	return found, nil
}

// apply writes an intent. Known is the object that is there and ours, nil for
// none; our fields are then taken back from whoever changed them, but only in that
// very object.
func (r *Reconciler) apply(ctx context.Context, intent *unstructured.Unstructured, known client.Object) child {
	options := []client.ApplyOption{client.FieldOwner(v1alpha1.FieldManagerReconciler)}
	// The answer is written into the object that is sent.
	sent := intent.DeepCopy()
	if known != nil {
		sent.SetUID(known.GetUID())
		options = append(options, client.ForceOwnership)
	}
	err := r.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(sent), options...)
	if err != nil {
		live, _ := known.(*unstructured.Unstructured)
		return child{intent: intent, live: live, problem: fmt.Errorf("apply %s %s: %w", intent.GetKind(), intent.GetName(), err)}
	}
	return child{intent: intent, live: sent}
}

// prune deletes the children that the record no longer asks for.
func (r *Reconciler) prune(ctx context.Context, wanted []render.Object, owned map[childKey]*unstructured.Unstructured) []error {
	surplus := make(map[childKey]*unstructured.Unstructured, len(owned))
	maps.Copy(surplus, owned)
	for _, object := range wanted {
		delete(surplus, keyOf(object.Intent))
	}
	var failures []error
	for _, object := range surplus {
		if err := r.delete(ctx, object); err != nil {
			failures = append(failures, err)
		}
	}
	return failures
}

// delete removes a child after everything that belongs to it, such as the pods of
// a Deployment, so that its absence means theirs.
func (r *Reconciler) delete(ctx context.Context, object *unstructured.Unstructured) error {
	if object.GetDeletionTimestamp() != nil {
		return nil
	}
	logf.FromContext(ctx).Info("deleting", "kind", object.GetKind(), "name", object.GetName())
	err := r.client.Delete(ctx, object,
		client.PropagationPolicy(metav1.DeletePropagationForeground),
		client.Preconditions{UID: new(object.GetUID())})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}
