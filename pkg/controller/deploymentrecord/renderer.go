// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/children"
	"oaas.io/oaas/pkg/crm/odgm/probe"
	"oaas.io/oaas/pkg/crm/render"
)

// Renderer decides which objects run a record. The same record, templates and
// environment give the same rendering; asking is cheap and reads caches only.
//
// Of a record that cannot be rendered, what runs already is left alone. After a
// Refusal or a *quota.ExceededError the record is looked at again when it, its template
// or its environment changes, for which whoever makes the Renderer queues it, and
// once a minute; after any other error with a growing delay.
type Renderer interface {
	Render(ctx context.Context, record *v1alpha1.DeploymentRecord) (*render.Rendering, error)
	// Outline is Render, and may leave out the content of the objects where it knows
	// that their hashes are still the same.
	Outline(ctx context.Context, record *v1alpha1.DeploymentRecord) (*render.Rendering, error)
	// Forget drops what is kept for a record that is gone.
	Forget(record types.NamespacedName)
}

// Refusal is an error of a Renderer that stays until the record, its template or its
// environment changes.
type Refusal interface {
	error
	// RefusalReason is the reason of the record's conditions, in the form that
	// conditions have.
	RefusalReason() string
}

// Explained is an error of a Renderer that tells how far the choice of a template
// came.
type Explained interface {
	error
	// RefusalSelection explains the choice.
	RefusalSelection() *v1alpha1.TemplateSelection
}

// Tried is an error of a Renderer that tells which revision of a template failed.
type Tried interface {
	error
	// RefusalTemplate is the template and the hash of the revision; empty where none
	// failed.
	RefusalTemplate() (name, hash string)
}

// Children knows the objects that were made for records. A *children.Cache is one.
type Children interface {
	// Need makes sure that everything of a kind is known, or returns a
	// *children.NotServedError and remembers that the record waits for the kind.
	Need(ctx context.Context, record types.NamespacedName, kind schema.GroupVersionKind) error
	// Forget drops what is kept for a record that is gone.
	Forget(record types.NamespacedName)
	// Get returns a child, nil when there is none as far as is known.
	Get(kind schema.GroupVersionKind, name types.NamespacedName) *children.Object
	// Of returns all children of a record that are known.
	Of(record types.NamespacedName) []*children.Object
	// Wrote takes note of the answer to an apply.
	Wrote(intent, answer metav1.Object, kind schema.GroupVersionKind) *children.Object
}

var _ Children = (*children.Cache)(nil)

// Grids knows how the nodes of data grids are, and asks them in the background. A
// *probe.Prober does.
type Grids interface {
	// Probe returns what is known of a grid, without waiting for any node, and when to
	// come again; 0 where news queue the record.
	Probe(grid probe.Grid) (v1alpha1.ODGMClusterStatus, time.Duration)
	// Forget drops what is known of a record that has no grid any more, and has it
	// asked no longer.
	Forget(record types.NamespacedName)
}

var _ Grids = (*probe.Prober)(nil)

// child is one object that the record asks for.
type child struct {
	render.Object
	// live is the object as it is on the cluster; nil when there is none of ours.
	live *children.Object
	// fault tells why the object is not as it should be.
	fault *fault
	// postponed objects are not made before others are ready.
	postponed bool
}

// leaving children are made anew once they are gone.
func (c child) leaving() bool { return c.live != nil && c.live.Leaving() }
