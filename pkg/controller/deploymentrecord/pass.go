// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/applyset"
	"oaas.io/oaas/pkg/crm/render"
	"oaas.io/oaas/pkg/crm/render/names"
)

// pass is what one pass over a record works with.
type pass struct {
	record    *v1alpha1.DeploymentRecord
	rendering *render.Rendering
	// inventory names everything that was made or is about to be.
	inventory []v1alpha1.ResourceReference
	// missing tells why objects of a kind cannot be made.
	missing map[schema.GroupVersionKind]error
	// gridReady says that the data grid serves, or that there is none to wait for.
	gridReady bool
	// inTheWay are children that are no longer wanted and made an object whose name is
	// needed now.
	inTheWay map[types.UID]bool
	// recreated says that the pass removed a child in order to make it anew.
	recreated bool
}

// markParent makes the record ready to have children: it holds the finalizer and
// tells what belongs to it. It reports whether that changed the record.
func (p *pass) markParent() bool {
	kinds := make([]schema.GroupKind, 0, len(p.inventory))
	for _, ref := range p.inventory {
		kinds = append(kinds, kindOf(ref).GroupKind())
	}
	held := controllerutil.AddFinalizer(p.record, v1alpha1.FinalizerDeployment)
	return applyset.Mark(&p.record.ObjectMeta, kinds...) || held
}

// complete adds to an intent what it needs as a child of the record. The rendering
// itself stays as it is.
func (p *pass) complete(object render.Object) *unstructured.Unstructured {
	intent := &unstructured.Unstructured{Object: shallow(object.Intent.Object)}
	metadata, _ := intent.Object["metadata"].(map[string]any)
	metadata = shallow(metadata)
	intent.Object["metadata"] = metadata
	labels, _ := metadata["labels"].(map[string]any)
	labels = shallow(labels)
	metadata["labels"] = labels
	for _, mark := range p.marks() {
		labels[mark.label] = mark.value
	}
	if p.disowns(object) {
		delete(metadata, "ownerReferences")
	}
	return intent
}

// mark is a label that says whose a child is.
type mark struct{ label, value string }

func (p *pass) marks() []mark {
	return []mark{
		{v1alpha1.LabelDeploymentID, p.record.Name},
		{v1alpha1.LabelManagedBy, v1alpha1.FieldManagerReconciler},
		{applyset.LabelPartOf, applyset.ID(p.record)},
		{v1alpha1.LabelTemplate, names.LabelValue(p.rendering.Template)},
	}
}

// disowns tells whether an object must not have the record as its owner: one that is
// deleted in the foreground takes along what it owns, before anybody could let it go.
func (p *pass) disowns(object render.Object) bool {
	return keeps(object) && p.record.Spec.DeletionPolicy == v1alpha1.DeletionRetain
}

// nameOf is the name of an object with its namespace.
func (p *pass) nameOf(object render.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: p.record.Namespace, Name: object.Name}
}

func shallow(content map[string]any) map[string]any {
	copied := make(map[string]any, len(content)+4)
	maps.Copy(copied, content)
	return copied
}

// postpones tells whether an object must not be made before the data grid serves.
func (p *pass) postpones(object render.Object) bool {
	return !p.gridReady && !object.Grid && slices.Contains(object.Roles, v1alpha1.RoleWorkload)
}
