// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"oaas.io/oaas/pkg/crm/children"
	"oaas.io/oaas/pkg/crm/render"
)

// A template's workload may itself make objects, and the workload of another
// template may need a name that one of them has: a Knative Service makes a Service
// of its own name. Those who follow each other must not wait for each other.

// knativeService makes a Service of its own name, and does not get ready while
// somebody else's has it.
var knativeService = schema.GroupKind{Group: "serving.knative.dev", Kind: "Service"}

// ancestors bounds the owners that are followed from an object to a child of the
// record: a Knative Service owns a Route, which owns a Service.
const ancestors = 3

// takenBy tells why an object that is not the record's has a name that the record
// needs. If a child that is no longer wanted made it, that child is noted as being in
// the way.
func (r *Reconciler) takenBy(ctx context.Context, p *pass, live *children.Object) *fault {
	descendant := live
	for range ancestors {
		owner := metav1.GetControllerOfNoCopy(descendant)
		if owner == nil {
			break
		}
		for _, ref := range p.inventory {
			if ref.UID == string(owner.UID) {
				if p.inTheWay == nil {
					p.inTheWay = map[types.UID]bool{}
				}
				p.inTheWay[owner.UID] = true
				return &fault{
					reason: ReasonReplacing, again: removalRetry,
					err: fmt.Errorf("waiting for the name of %s %s, which %s %s made", live.Kind.Kind, live.Name, ref.Kind, ref.Name),
				}
			}
		}
		next, err := r.find(ctx, schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind), types.NamespacedName{Namespace: live.Namespace, Name: owner.Name})
		if err != nil || next == nil || next.UID != owner.UID {
			break
		}
		descendant = next
	}
	return taken(live.Kind.Kind, live.Name)
}

// obstructs tells whether a child that is no longer wanted keeps its successor from
// getting ready.
func (p *pass) obstructs(surplus *children.Object) bool {
	return surplus.Kind.GroupKind() == schema.GroupKind{Kind: "Service"} && slices.ContainsFunc(p.rendering.Objects, func(object render.Object) bool {
		return object.GroupKind() == knativeService && object.Name == surplus.Name
	})
}
