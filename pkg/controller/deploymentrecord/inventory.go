// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"context"
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/children"
	"oaas.io/oaas/pkg/crm/render"
	"oaas.io/oaas/pkg/crm/render/names"
)

// The inventory of a record are the references in its status. An object is in it
// from before it is made until after it is gone, so that nothing is ever forgotten,
// wherever a pass breaks off.

func kindOf(ref v1alpha1.ResourceReference) schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind)
}

// refKey identifies an entry of the inventory, whatever version of its kind is
// spoken.
type refKey struct {
	schema.GroupKind
	name string
}

func keyOf(ref v1alpha1.ResourceReference) refKey { return refKey{kindOf(ref).GroupKind(), ref.Name} }

func refOf(object render.Object) v1alpha1.ResourceReference {
	return v1alpha1.ResourceReference{
		APIVersion: object.GroupVersion().String(), Kind: object.Kind, Name: object.Name, Keep: keeps(object),
	}
}

// inventoryOf is what is wanted, followed by what else was or is there. An object that
// has the labels of a child and belongs to nobody may be somebody's copy of one: only
// data is taken for the record's because of labels.
func inventoryOf(known []v1alpha1.ResourceReference, wanted []render.Object, owned []*children.Object) []v1alpha1.ResourceReference {
	before := make(map[refKey]v1alpha1.ResourceReference, len(known))
	for _, ref := range known {
		before[keyOf(ref)] = ref
	}
	var inventory []v1alpha1.ResourceReference
	listed := map[refKey]bool{}
	add := func(ref v1alpha1.ResourceReference) {
		if !listed[keyOf(ref)] {
			listed[keyOf(ref)] = true
			inventory = append(inventory, ref)
		}
	}
	for _, object := range wanted {
		ref := refOf(object)
		ref.UID = before[keyOf(ref)].UID
		add(ref)
	}
	for _, ref := range known {
		add(ref)
	}
	var others []v1alpha1.ResourceReference
	for _, object := range owned {
		if metav1.GetControllerOfNoCopy(object) == nil && !holdsData(object.Kind.GroupKind()) {
			continue
		}
		others = append(others, v1alpha1.ResourceReference{
			APIVersion: object.Kind.GroupVersion().String(), Kind: object.Kind.Kind, Name: object.Name, UID: string(object.UID),
			Keep: holdsData(object.Kind.GroupKind()),
		})
	}
	slices.SortFunc(others, compareRefs)
	for _, ref := range others {
		add(ref)
	}
	return inventory
}

func compareRefs(a, b v1alpha1.ResourceReference) int {
	return slices.Compare([]string{a.APIVersion, a.Kind, a.Name}, []string{b.APIVersion, b.Kind, b.Name})
}

// covers tells whether an inventory names every object that is wanted.
func covers(inventory []v1alpha1.ResourceReference, wanted []render.Object) bool {
	kept := make(map[refKey]bool, len(inventory))
	for _, ref := range inventory {
		kept[keyOf(ref)] = ref.Keep
	}
	for _, object := range wanted {
		want := refOf(object)
		if keep, named := kept[keyOf(want)]; !named || keep != want.Keep {
			return false
		}
	}
	return true
}

// owned are the children of a record that are known and belong to it.
func (r *Reconciler) owned(record *v1alpha1.DeploymentRecord) []*children.Object {
	return slices.DeleteFunc(r.children.Of(nameOf(record)), func(object *children.Object) bool {
		return !belongs(object, record)
	})
}

// lookUp returns the object of an entry if it exists and belongs to the record. The
// absence is verified on the API server.
func (r *Reconciler) lookUp(ctx context.Context, record *v1alpha1.DeploymentRecord, ref v1alpha1.ResourceReference) (*children.Object, error) {
	kind, name := kindOf(ref), types.NamespacedName{Namespace: record.Namespace, Name: ref.Name}
	err := r.children.Need(ctx, nameOf(record), kind)
	if notServed, ok := errors.AsType[*children.NotServedError](err); ok {
		if notServed.ServedAs == "" {
			// With the definition of a kind all its objects go.
			return nil, nil
		}
		// The object outlives the version that it was made in.
		kind.Version = notServed.ServedAs
		err = r.children.Need(ctx, nameOf(record), kind)
	}
	if err != nil {
		return nil, fmt.Errorf("look up %s %s: %w", ref.Kind, ref.Name, err)
	}
	live := r.children.Get(kind, name)
	if live == nil {
		if live, err = r.find(ctx, kind, name); err != nil {
			return nil, err
		}
	}
	if live == nil || !belongs(live, record) {
		return nil, nil
	}
	return live, nil
}

// prune takes away what the record no longer asks for, and drops from the inventory
// what is gone. It leaves everything in place until all that is wanted was applied,
// and what serves a function until its successor does; autoscalers excepted, whose
// workload is wanted as before.
func (r *Reconciler) prune(ctx context.Context, p *pass, seen *observation) error {
	wanted := seen.byRef()
	serving := map[string]bool{}
	for _, w := range workloadsOf(seen) {
		serving[names.LabelValue(w.function.Key)] = w.available
	}
	var failures []error
	kept := make([]v1alpha1.ResourceReference, 0, len(p.inventory))
	var unwanted []*children.Object
	// replacing are the functions, by label, of which another workload is still there.
	replacing := map[string]bool{}
	for _, ref := range p.inventory {
		if c := wanted[keyOf(ref)]; c != nil {
			if c.live != nil {
				ref.UID = string(c.live.UID)
			}
			kept = append(kept, ref)
			continue
		}
		live, err := r.lookUp(ctx, p.record, ref)
		switch {
		case err != nil:
			failures = append(failures, err)
			kept = append(kept, ref)
			continue
		case live == nil:
			continue
		}
		ref.UID = string(live.UID)
		kept = append(kept, ref)
		if ref.Keep || holdsData(live.Kind.GroupKind()) {
			continue
		}
		unwanted = append(unwanted, live)
		if runsPods(live.Kind.GroupKind()) {
			replacing[live.Labels[v1alpha1.LabelFunction]] = true
		}
	}
	for _, live := range unwanted {
		what := live.Kind.Kind + " " + live.Name
		if live.Leaving() {
			seen.parting = append(seen.parting, what)
			continue
		}
		// What is in the way of its successor would wait for it for ever.
		removable := (seen.applied || p.inTheWay[live.UID]) && (replaced(live, serving) || p.obstructs(live))
		if render.Autoscales(live.Kind.GroupKind()) && !replacing[live.Labels[v1alpha1.LabelFunction]] {
			// The workload keeps its replicas, and another autoscaler of it may be refused
			// as long as this one is there, as KEDA does.
			removable = true
		}
		if !removable {
			if live.Health.Available && runsPods(live.Kind.GroupKind()) {
				seen.serves(live.Labels[v1alpha1.LabelFunction])
			}
			seen.surplus = append(seen.surplus, what)
			continue
		}
		if err := r.delete(ctx, live, sameObject(live)); err != nil {
			failures = append(failures, err)
		}
		seen.parting = append(seen.parting, what)
	}
	seen.inventory = kept
	return errors.Join(failures...)
}

// replaced tells whether nobody misses an object: its function is no longer wanted
// or served by another workload. An object of the record as a whole is missed while
// any function does not serve.
func replaced(live *children.Object, serving map[string]bool) bool {
	if function, ok := live.Labels[v1alpha1.LabelFunction]; ok {
		serves, wanted := serving[function]
		return serves || !wanted
	}
	for _, serves := range serving {
		if !serves {
			return false
		}
	}
	return true
}
