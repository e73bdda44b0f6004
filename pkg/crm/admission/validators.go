// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package admission refuses what could not work when it is written: templates with
// wrong expressions, environments that contradict themselves, records in a wrong
// namespace or over quota.
//
// It is a convenience for whoever writes. Objects that were written while no copy of
// the program answered are dealt with by the controllers, so the API server goes on
// without an answer.
package admission

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/environment"
	"oaas.io/oaas/pkg/crm/quota"
)

// Compile tells what is wrong with the content of a template.
type Compile func(name string, spec *v1alpha1.DeploymentTemplateSpec) field.ErrorList

// templates validates DeploymentTemplates.
type templates struct{ compile Compile }

var _ admission.Validator[*v1alpha1.DeploymentTemplate] = templates{}

// ValidateCreate implements admission.Validator.
func (v templates) ValidateCreate(_ context.Context, template *v1alpha1.DeploymentTemplate) (admission.Warnings, error) {
	return nil, invalid(v1alpha1.KindDeploymentTemplate, template.Name, v.compile(template.Name, &template.Spec))
}

// ValidateUpdate implements admission.Validator. What stays as it is passes, so that
// a finalizer can be taken from a template that was written while nobody looked.
func (v templates) ValidateUpdate(ctx context.Context, before, after *v1alpha1.DeploymentTemplate) (admission.Warnings, error) {
	if equality.Semantic.DeepEqual(before.Spec, after.Spec) {
		return nil, nil
	}
	return v.ValidateCreate(ctx, after)
}

// ValidateDelete implements admission.Validator.
func (templates) ValidateDelete(context.Context, *v1alpha1.DeploymentTemplate) (admission.Warnings, error) {
	return nil, nil
}

// environments validates EnvironmentConfigs.
type environments struct {
	// reader has EnvironmentConfigs.
	reader   client.Reader
	defaults environment.Defaults
}

var _ admission.Validator[*v1alpha1.EnvironmentConfig] = environments{}

// ValidateCreate implements admission.Validator.
func (v environments) ValidateCreate(ctx context.Context, config *v1alpha1.EnvironmentConfig) (admission.Warnings, error) {
	return v.validate(ctx, nil, config)
}

// ValidateUpdate implements admission.Validator.
func (v environments) ValidateUpdate(ctx context.Context, before, after *v1alpha1.EnvironmentConfig) (admission.Warnings, error) {
	if equality.Semantic.DeepEqual(before.Spec, after.Spec) {
		return nil, nil
	}
	return v.validate(ctx, before, after)
}

func (v environments) validate(ctx context.Context, before, after *v1alpha1.EnvironmentConfig) (admission.Warnings, error) {
	list := &v1alpha1.EnvironmentConfigList{}
	if err := v.reader.List(ctx, list); err != nil {
		return nil, fmt.Errorf("list EnvironmentConfigs: %w", err)
	}
	problems := append(environment.Validate(after), conflicts(before, after, list.Items, v.defaults)...)
	return nil, invalid(v1alpha1.KindEnvironmentConfig, after.Name, problems)
}

// conflicts are the namespaces that a configuration is about to name although others
// name them for somebody else. Those that it named before, which were stored while
// nobody looked, do not stand in the way of another change.
func conflicts(before, after *v1alpha1.EnvironmentConfig, all []v1alpha1.EnvironmentConfig, defaults environment.Defaults) field.ErrorList {
	others := environment.Tenancies(all, defaults)
	known := map[string]bool{}
	if before != nil {
		for _, conflict := range environment.Resolve(before.Name, before, defaults).Tenancy().Conflicts(others) {
			known[conflict.String()] = true
		}
	}
	var problems field.ErrorList
	for _, conflict := range environment.Resolve(after.Name, after, defaults).Tenancy().Conflicts(others) {
		if !known[conflict.String()] {
			problems = append(problems, field.Invalid(conflict.Path, conflict.Namespace, conflict.String()))
		}
	}
	return problems
}

// ValidateDelete implements admission.Validator.
func (environments) ValidateDelete(context.Context, *v1alpha1.EnvironmentConfig) (admission.Warnings, error) {
	return nil, nil
}

// records validates DeploymentRecords.
type records struct {
	// reader has EnvironmentConfigs and templates.
	reader   client.Reader
	ledger   *quota.Ledger
	defaults environment.Defaults
	// self is the program's own user, who reserved room before it writes.
	self string
}

var _ admission.Validator[*v1alpha1.DeploymentRecord] = records{}

// ValidateCreate implements admission.Validator.
func (v records) ValidateCreate(ctx context.Context, record *v1alpha1.DeploymentRecord) (admission.Warnings, error) {
	return v.validate(ctx, nil, record)
}

// ValidateUpdate implements admission.Validator.
func (v records) ValidateUpdate(ctx context.Context, before, after *v1alpha1.DeploymentRecord) (admission.Warnings, error) {
	if after.DeletionTimestamp != nil || equality.Semantic.DeepEqual(before.Spec, after.Spec) {
		return nil, nil
	}
	return v.validate(ctx, before, after)
}

// ValidateDelete implements admission.Validator.
func (records) ValidateDelete(context.Context, *v1alpha1.DeploymentRecord) (admission.Warnings, error) {
	return nil, nil
}

func (v records) validate(ctx context.Context, before, record *v1alpha1.DeploymentRecord) (admission.Warnings, error) {
	config := &v1alpha1.EnvironmentConfig{}
	err := v.reader.Get(ctx, client.ObjectKey{Name: record.Spec.TargetEnvironment}, config)
	if apierrors.IsNotFound(err) {
		config = nil
	} else if err != nil {
		return nil, fmt.Errorf("read EnvironmentConfig %s: %w", record.Spec.TargetEnvironment, err)
	}
	resolved := environment.Resolve(record.Spec.TargetEnvironment, config, v.defaults)
	problem := resolved.Misplaced(record)
	if problem == nil {
		list := &v1alpha1.EnvironmentConfigList{}
		if err := v.reader.List(ctx, list); err != nil {
			return nil, fmt.Errorf("list EnvironmentConfigs: %w", err)
		}
		problem = resolved.Tenancy().Contested(environment.TenantOf(record), environment.Tenancies(list.Items, v.defaults))
	}
	if problem != nil {
		return nil, invalid(v1alpha1.KindDeploymentRecord, record.Name,
			field.ErrorList{field.Forbidden(field.NewPath("metadata", "namespace"), problem.Error())})
	}
	if err := v.reserve(ctx, before, record); err != nil {
		return nil, err
	}
	return v.warnings(ctx, record)
}

// reserve keeps room for a record. A dry run only looks whether there is any.
func (v records) reserve(ctx context.Context, before, record *v1alpha1.DeploymentRecord) error {
	request, err := admission.RequestFromContext(ctx)
	if err != nil {
		return fmt.Errorf("find out who writes: %w", err)
	}
	if v.self != "" && request.UserInfo.Username == v.self {
		return nil
	}
	demand, err := v.ledger.Meter.Demand(ctx, record)
	if problem, ok := errors.AsType[*field.Error](err); ok {
		return invalid(v1alpha1.KindDeploymentRecord, record.Name, field.ErrorList{problem})
	} else if err != nil {
		return err
	}
	wanted := quota.Request{
		Environment: record.Spec.TargetEnvironment, Record: client.ObjectKeyFromObject(record), Demand: demand, Before: before,
	}
	if ptr.Deref(request.DryRun, false) {
		err = v.ledger.Check(ctx, wanted)
	} else {
		_, err = v.ledger.Reserve(ctx, wanted)
	}
	if _, exceeded := errors.AsType[*quota.ExceededError](err); exceeded {
		// As for a ResourceQuota.
		return apierrors.NewForbidden(v1alpha1.SchemeGroupVersion.WithResource(resourceRecords).GroupResource(), record.Name, err)
	}
	return err
}

// warnings tell of what may be put right later.
func (v records) warnings(ctx context.Context, record *v1alpha1.DeploymentRecord) (admission.Warnings, error) {
	pinned := record.Spec.SelectedTemplate
	if pinned == "" {
		return nil, nil
	}
	err := v.reader.Get(ctx, client.ObjectKey{Name: pinned}, &v1alpha1.DeploymentTemplate{})
	if apierrors.IsNotFound(err) {
		return admission.Warnings{fmt.Sprintf("spec.selectedTemplate: there is no DeploymentTemplate %q: the record fails until there is", pinned)}, nil
	}
	return nil, err
}

func invalid(kind, name string, problems field.ErrorList) error {
	if len(problems) == 0 {
		return nil
	}
	return apierrors.NewInvalid(v1alpha1.SchemeGroupVersion.WithKind(kind).GroupKind(), name, problems)
}
