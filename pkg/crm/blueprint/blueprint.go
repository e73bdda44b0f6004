// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package blueprint puts together what decides how a record runs: its environment,
// the templates of the cluster, the data grid. It reads caches; every decision is
// that of a package without I/O.
package blueprint

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/environment"
	"oaas.io/oaas/pkg/crm/nfr"
	"oaas.io/oaas/pkg/crm/odgm"
	"oaas.io/oaas/pkg/crm/render"
	"oaas.io/oaas/pkg/crm/selection"
	"oaas.io/oaas/pkg/crm/template"
)

// Reasons for which a record is not run as it stands.
const (
	// ReasonNamespaceNotAllowed: the record is not in the namespace that its
	// environment puts it into.
	ReasonNamespaceNotAllowed = "NamespaceNotAllowed"
	// ReasonNamespaceContested: the namespace that the environment has for the record is
	// another tenant's.
	ReasonNamespaceContested = "NamespaceContested"
	// ReasonNoTemplate: no template of the cluster can serve the record.
	ReasonNoTemplate = "NoTemplate"
	// ReasonTemplateUnfit: the template that the record pins cannot serve it.
	ReasonTemplateUnfit = "TemplateUnfit"
	// ReasonRequirementsInvalid: a requirement cannot be read.
	ReasonRequirementsInvalid = "RequirementsInvalid"
	// ReasonODGMInvalid: the settings of the data grid contradict each other.
	ReasonODGMInvalid = "ODGMInvalid"
	// ReasonTemplateFailed: an expression of the template failed for the record.
	ReasonTemplateFailed = "TemplateFailed"
)

// Kinds tells which kinds the cluster serves.
type Kinds interface {
	Served(kind schema.GroupKind) bool
}

// Options are what a blueprint is made from.
type Options struct {
	// Cache reads templates and environments.
	Cache client.Reader
	// Kinds tells which templates the cluster can run.
	Kinds Kinds
	// Defaults hold where an environment says nothing.
	Defaults environment.Defaults
	// Features are what templates may use.
	Features template.Features
	// ManagerNamespace is where this program runs, so that NetworkPolicies let it ask
	// the nodes of data grids.
	ManagerNamespace string
}

// Blueprint decides how records run. It is safe for concurrent use.
type Blueprint struct {
	options   Options
	templates *compiled
	partial   *partial
}

// New returns a blueprint.
func New(options Options) *Blueprint {
	return &Blueprint{options: options, templates: newCompiled(), partial: newPartial()}
}

// Preview returns what would run a record, which need not exist, and keeps no room
// for it. The error is a *RefusalError where only another record, template or
// environment helps.
func (b *Blueprint) Preview(ctx context.Context, record *v1alpha1.DeploymentRecord) (*render.Rendering, error) {
	in, err := b.inputs(ctx, record)
	if err != nil {
		return nil, err
	}
	return b.render(in)
}

// inputs are what decides how a record runs, besides the program's own settings.
type inputs struct {
	record      *v1alpha1.DeploymentRecord
	environment environment.Environment
	templates   []v1alpha1.DeploymentTemplate
	// kinds tell what the cluster serves.
	kinds Kinds
}

func (b *Blueprint) inputs(ctx context.Context, record *v1alpha1.DeploymentRecord) (*inputs, error) {
	env, err := b.environment(ctx, record)
	if err != nil {
		return nil, err
	}
	list := &v1alpha1.DeploymentTemplateList{}
	if err := b.options.Cache.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	b.templates.keep(list.Items)
	return &inputs{record: record, environment: env, templates: list.Items, kinds: b.options.Kinds}, nil
}

// environment resolves the environment of a record and makes sure that the record
// is where the environment puts it, and no other tenant is there.
func (b *Blueprint) environment(ctx context.Context, record *v1alpha1.DeploymentRecord) (environment.Environment, error) {
	name := record.Spec.TargetEnvironment
	configuration := &v1alpha1.EnvironmentConfig{}
	err := b.options.Cache.Get(ctx, types.NamespacedName{Name: name}, configuration)
	switch {
	case apierrors.IsNotFound(err):
		configuration = nil
	case err != nil:
		return environment.Environment{}, fmt.Errorf("read environment %s: %w", name, err)
	}
	env := environment.Resolve(name, configuration, b.options.Defaults)
	if problem := env.Misplaced(record); problem != nil {
		return env, &RefusalError{Reason: ReasonNamespaceNotAllowed, Err: problem}
	}
	return env, b.uncontested(ctx, record, env.Tenancy())
}

func (b *Blueprint) render(in *inputs) (*render.Rendering, error) {
	analysis, err := nfr.Analyze(&in.record.Spec)
	if err != nil {
		return nil, &RefusalError{Reason: ReasonRequirementsInvalid, Err: err}
	}
	chosen, explanation, err := b.choose(in, analysis)
	if err != nil {
		return nil, err
	}
	rendering, err := render.Render(render.Input{
		Record:           in.record,
		Template:         chosen,
		Environment:      in.environment,
		Analysis:         analysis,
		Features:         b.options.Features,
		Served:           in.kinds.Served,
		Selection:        explanation,
		ManagerNamespace: b.options.ManagerNamespace,
	})
	var invalid *odgm.InvalidError
	switch {
	case errors.As(err, &invalid):
		return nil, &RefusalError{Reason: ReasonODGMInvalid, Err: err, Selection: explanation}
	case err != nil:
		return nil, &RefusalError{Reason: ReasonTemplateFailed, Err: err, Selection: explanation, Template: chosen.Name, TemplateHash: chosen.Hash}
	}
	return rendering, nil
}

// RefusalError tells why a record is not run as it stands. What runs of it already stays
// as it is.
type RefusalError struct {
	// Reason is one of the reasons of this package.
	Reason string
	// Err says what to change.
	Err error
	// Selection explains the choice of the template, as far as it came to that.
	Selection *v1alpha1.TemplateSelection
	// Template and TemplateHash are the revision that failed; empty where none did.
	Template, TemplateHash string
}

// Error says what to change.
func (r *RefusalError) Error() string { return r.Err.Error() }

// Unwrap returns the cause.
func (r *RefusalError) Unwrap() error { return r.Err }

// RefusalSelection explains the choice of the template.
func (r *RefusalError) RefusalSelection() *v1alpha1.TemplateSelection { return r.Selection }

// RefusalTemplate is the template that failed, and its revision; empty where none did.
func (r *RefusalError) RefusalTemplate() (name, hash string) { return r.Template, r.TemplateHash }

// RefusalReason is the reason for the conditions of the record.
func (r *RefusalError) RefusalReason() string { return r.Reason }

// refusalOf tells apart why selection has no template.
func refusalOf(err error, explanation *v1alpha1.TemplateSelection) *RefusalError {
	if _, pinned := errors.AsType[*selection.PinnedError](err); pinned {
		return &RefusalError{Reason: ReasonTemplateUnfit, Err: err, Selection: explanation}
	}
	return &RefusalError{Reason: ReasonNoTemplate, Err: err, Selection: explanation}
}
