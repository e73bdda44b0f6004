// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/children"
	"oaas.io/oaas/pkg/crm/render"
)

// ensure brings one object to its intent and writes only when that changes
// something.
func (r *Reconciler) ensure(ctx context.Context, p *pass, index int) child {
	object := p.rendering.Objects[index]
	done := child{Object: object}
	if err := p.missing[object.GroupVersionKind]; err != nil {
		done.fault = faultOf(err)
		return done
	}
	if object.Intent == nil {
		if done.live = r.standing(p, object); done.live != nil {
			return done
		}
		if err := r.renderInFull(ctx, p); err != nil {
			done.fault = faultOf(err)
			return done
		}
		object = p.rendering.Objects[index]
		done.Object = object
	}
	intent := p.complete(object)
	log := logf.FromContext(ctx).WithValues("kind", intent.GetKind(), "name", intent.GetName())
	live := r.children.Get(intent.GroupVersionKind(), client.ObjectKeyFromObject(intent))
	if live == nil {
		// It may be there all the same: not seen yet, without our label, or somebody
		// else's.
		found, err := r.find(ctx, intent.GroupVersionKind(), client.ObjectKeyFromObject(intent))
		if err != nil {
			done.fault = faultOf(err)
			return done
		}
		live = found
		if found != nil && belongs(found, p.record) && p.holdsAll(found, intent) {
			// As it should be, only not seen yet: how it is doing is not known.
			log.V(1).Info("waiting until it is seen")
			done.live = found
			done.fault = unseen(intent)
			return done
		}
	}
	switch {
	case live == nil && p.postpones(object):
		done.postponed = true
		return done
	case live == nil:
		log.Info("creating")
		return r.apply(ctx, p, done, intent)
	case !belongs(live, p.record):
		done.fault = r.takenBy(ctx, p, live)
		return done
	}
	done.live = live
	if live.Leaving() {
		// Its last event wakes us to make it anew.
		return done
	}
	if path, holds := p.holds(live, intent); !holds {
		if done.fault = r.turnOf(p, object, live); done.fault != nil {
			return done
		}
		log.Info("updating", "field", path)
		if err := r.handOverReplicas(ctx, p, live, intent); err != nil {
			done.fault = faultOf(err)
			return done
		}
		return r.apply(ctx, p, done, intent)
	}
	if err := r.takeBackReplicas(ctx, live, intent); err != nil {
		done.fault = faultOf(err)
	}
	return done
}

// standing returns the object that an outline asks for if it is there as it should be,
// and nothing is left to do about it; nil where its content has to be known.
func (r *Reconciler) standing(p *pass, object render.Object) *children.Object {
	live := r.children.Get(object.GroupVersionKind, p.nameOf(object))
	if live == nil || live.Leaving() || live.ReplicasHandedOver() || !belongs(live, p.record) || !live.Proven(object.Hash) {
		return nil
	}
	if _, marked := p.marked(live, !p.disowns(object)); !marked {
		return nil
	}
	return live
}

// renderInFull puts the content of the objects in the place of their outline.
func (r *Reconciler) renderInFull(ctx context.Context, p *pass) error {
	full, err := r.renderer.Render(ctx, p.record)
	if err == nil && !slices.EqualFunc(p.rendering.Objects, full.Objects, func(outlined, object render.Object) bool {
		return outlined.Ref == object.Ref && outlined.Hash == object.ContentHash()
	}) {
		err = errors.New("the template or the environment has changed since the pass began")
	}
	if err != nil {
		// The next pass begins with what is so now.
		r.renderer.Forget(nameOf(p.record))
		return &fault{reason: ReasonRenderFailed, passing: true, again: staleRetry, err: err}
	}
	p.rendering = full
	return nil
}

func (p *pass) holdsAll(live *children.Object, intent *unstructured.Unstructured) bool {
	_, all := p.holds(live, intent)
	return all && !live.Leaving()
}

// holds tells whether a live object is as the intent wants it, whose it is
// included.
func (p *pass) holds(live *children.Object, intent *unstructured.Unstructured) (string, bool) {
	if path, marked := p.marked(live, len(intent.GetOwnerReferences()) > 0); !marked {
		return path, false
	}
	return live.Holds(intent)
}

// marked tells whether a live object says whose it is, which its hash does not tell.
// Otherwise path is what is wrong.
func (p *pass) marked(live *children.Object, owned bool) (path string, marked bool) {
	for _, mark := range p.marks() {
		if live.Labels[mark.label] != mark.value {
			return "metadata.labels." + mark.label, false
		}
	}
	if owned != (metav1.GetControllerOfNoCopy(live) != nil) {
		return "metadata.ownerReferences", false
	}
	return "", true
}

// belongs tells whether an object is the record's: owned by it, or user data that
// nobody owns and that was made for a record of the same name.
func belongs(live *children.Object, record *v1alpha1.DeploymentRecord) bool {
	if owner := metav1.GetControllerOfNoCopy(live); owner != nil {
		return owner.UID == record.UID
	}
	return live.Labels[v1alpha1.LabelManagedBy] == v1alpha1.FieldManagerReconciler && live.Labels[v1alpha1.LabelDeploymentID] == record.Name
}

// find looks for an object on the API server; nil when there is none.
func (r *Reconciler) find(ctx context.Context, kind schema.GroupVersionKind, name types.NamespacedName) (*children.Object, error) {
	found := &metav1.PartialObjectMetadata{}
	found.SetGroupVersionKind(kind)
	err := r.live.Get(ctx, name, found)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", kind.Kind, name.Name, err)
	}
	return children.Digest(kind, found), nil
}

// apply writes an intent. Where the object is there and ours, our fields are taken
// back from whoever changed them, but only in that very object. Otherwise nothing
// is forced, so that an object which appears this very moment is not overwritten.
func (r *Reconciler) apply(ctx context.Context, p *pass, done child, intent *unstructured.Unstructured) child {
	options := []client.ApplyOption{client.FieldOwner(v1alpha1.FieldManagerReconciler)}
	// The answer is written into the object that is sent.
	sent := intent.DeepCopy()
	if done.live != nil {
		sent.SetUID(done.live.UID)
		options = append(options, client.ForceOwnership)
	} else {
		p.startReplicas(sent)
	}
	err := r.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(sent), options...)
	if err == nil {
		done.live = r.children.Wrote(intent, sent, intent.GroupVersionKind())
		return done
	}
	err = fmt.Errorf("apply %s %s: %w", intent.GetKind(), intent.GetName(), err)
	if done.live != nil && couldBeImmutable(err) && r.validAnew(ctx, intent) {
		return r.recreate(ctx, p, done, err)
	}
	done.fault = faultOf(err)
	return done
}

// validAnew tells whether the API server would take the intent for a new object:
// then it is only the change that it refuses.
func (r *Reconciler) validAnew(ctx context.Context, intent *unstructured.Unstructured) bool {
	probe := intent.DeepCopy()
	probe.SetName(unusedName(intent.GetName()))
	err := r.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(probe),
		client.FieldOwner(v1alpha1.FieldManagerReconciler), client.DryRunAll)
	return err == nil
}

// unusedName is a name of the same length that nobody has: what makes a name too
// long is refused with it too.
func unusedName(name string) string {
	sum := sha256.Sum256([]byte(name))
	unused := "x" + hex.EncodeToString(sum[:])
	return unused[:min(len(name), len(unused))]
}

// recreate removes an object that cannot be changed as wanted; another pass makes
// it anew. Objects with user data are never removed for this.
func (r *Reconciler) recreate(ctx context.Context, p *pass, done child, cause error) child {
	if keeps(done.Object) {
		done.fault = &fault{
			reason: ReasonImmutable, again: slowRetry,
			err: fmt.Errorf("%w; it holds user data and is not made anew: take the change back, or save the data and delete the object", cause),
		}
		return done
	}
	if err := r.delete(ctx, done.live, sameObject(done.live)); err != nil {
		done.fault = faultOf(errors.Join(cause, err))
		return done
	}
	r.tell(p.record, corev1.EventTypeWarning, ReasonRecreating,
		fmt.Sprintf("%s %s is removed and made anew, because it cannot be changed: %v", done.Kind, done.Name, cause))
	p.recreated = true
	return done
}

// delete removes a child after everything that belongs to it, such as the pods of
// a Deployment, so that its absence means theirs.
func (r *Reconciler) delete(ctx context.Context, object *children.Object, only client.Preconditions) error {
	if object.Leaving() {
		return nil
	}
	logf.FromContext(ctx).Info("deleting", "kind", object.Kind.Kind, "name", object.Name)
	err := r.client.Delete(ctx, metadataOf(object), client.PropagationPolicy(metav1.DeletePropagationForeground), only)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete %s %s: %w", object.Kind.Kind, object.Name, err)
	}
	return nil
}

// sameObject is true of an object and of no other that took its name.
func sameObject(object *children.Object) client.Preconditions {
	return client.Preconditions{UID: new(object.UID)}
}

// sameVersion is true of an object as long as nobody changes it.
func sameVersion(object *children.Object) client.Preconditions {
	return client.Preconditions{UID: new(object.UID), ResourceVersion: new(object.ResourceVersion)}
}

func metadataOf(object *children.Object) *metav1.PartialObjectMetadata {
	target := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: object.Name, Namespace: object.Namespace}}
	target.SetGroupVersionKind(object.Kind)
	return target
}

// keeps tells whether an object holds user data. Volume claims and Secrets always
// count as such.
func keeps(object render.Object) bool {
	return object.Keep || holdsData(object.GroupKind())
}

func holdsData(kind schema.GroupKind) bool {
	return kind.Group == "" && (kind.Kind == "PersistentVolumeClaim" || kind.Kind == "Secret")
}
