// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package blueprint

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/render"
)

// Gate lets records in that fit into the quotas of their environment. A *quota.Gate
// is one.
type Gate interface {
	// Admitted returns nil for a record that may come to use what is demanded.
	Admitted(ctx context.Context, record *v1alpha1.DeploymentRecord, demand v1alpha1.UsedQuotas) error
}

// Admitted is a Blueprint for records that are about to be provisioned.
type Admitted struct {
	blueprint *Blueprint
	gate      Gate
	outlines  *outlines
}

// Behind returns the blueprint with a gate before it, which is asked before anything
// is made for a record.
func (b *Blueprint) Behind(gate Gate) *Admitted {
	return &Admitted{blueprint: b, gate: gate, outlines: newOutlines()}
}

// Render returns what runs a record that was let in. The error is a *RefusalError
// where only another record, template or environment helps, and a
// *quota.ExceededError where the environment has no room for what would run.
func (a *Admitted) Render(ctx context.Context, record *v1alpha1.DeploymentRecord) (*render.Rendering, error) {
	rendering, err := a.blueprint.Preview(ctx, record)
	if err != nil {
		return nil, err
	}
	return a.admit(ctx, record, rendering)
}

// Outline is Render, without the content of the objects where nothing that decides
// about it has changed since the last time.
func (a *Admitted) Outline(ctx context.Context, record *v1alpha1.DeploymentRecord) (*render.Rendering, error) {
	in, err := a.blueprint.inputs(ctx, record)
	if err != nil {
		return nil, err
	}
	rendering, err := a.outlines.render(in, a.blueprint.render)
	if err != nil {
		return nil, err
	}
	return a.admit(ctx, record, rendering)
}

// Forget drops what is kept for a record that is gone.
func (a *Admitted) Forget(record types.NamespacedName) { a.outlines.forget(record) }

func (a *Admitted) admit(ctx context.Context, record *v1alpha1.DeploymentRecord, rendering *render.Rendering) (*render.Rendering, error) {
	if err := a.gate.Admitted(ctx, record, rendering.Demand); err != nil {
		return nil, err
	}
	a.blueprint.partial.note(client.ObjectKeyFromObject(record), len(rendering.Missing) > 0)
	rendering.Admission = &v1alpha1.Admission{Environment: record.Spec.TargetEnvironment, Amount: rendering.Demand}
	return rendering, nil
}

// Demand is what would run a record, which need not exist, comes to use. ok is false
// where nothing can run it as it stands. It is a quota.Planned.
func (b *Blueprint) Demand(ctx context.Context, record *v1alpha1.DeploymentRecord) (demand v1alpha1.UsedQuotas, ok bool, err error) {
	rendering, err := b.Preview(ctx, record)
	if _, refused := errors.AsType[*RefusalError](err); refused {
		return v1alpha1.UsedQuotas{}, false, nil
	}
	if err != nil {
		return v1alpha1.UsedQuotas{}, false, err
	}
	return rendering.Demand, true, nil
}
