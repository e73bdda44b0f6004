// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/environment"
	"oaas.io/oaas/pkg/crm/nfr"
	"oaas.io/oaas/pkg/crm/quota"
)

// place is where a record goes.
type place struct {
	namespace string
	// create makes the namespace if it is not there.
	create bool
	// bounded tells that the environment has quotas.
	bounded bool
}

// placeOf asks the environment of a record, as the API server has it: a mapping that
// was changed a moment ago counts.
//
// A tenant that the environment has no namespace for is FAILED_PRECONDITION and not
// PERMISSION_DENIED: the caller may deploy, and who changes the environment's
// configuration makes the same call succeed.
func (d *deployments) placeOf(ctx context.Context, spec v1alpha1.DeploymentRecordSpec) (place, error) {
	name := spec.TargetEnvironment
	config := &v1alpha1.EnvironmentConfig{}
	err := d.live.Get(ctx, types.NamespacedName{Name: name}, config)
	if apierrors.IsNotFound(err) {
		config = nil
	} else if err != nil {
		return place{}, statusOf(fmt.Errorf("read EnvironmentConfig %s: %w", name, err))
	}
	resolved := environment.Resolve(name, config, d.environments)
	namespace, err := resolved.NamespaceOf(spec.DeploymentUnit.Namespace)
	if err != nil {
		return place{}, precondition("NAMESPACE_NOT_ALLOWED", "environment:"+name, err.Error())
	}
	// What others name is as the cache has it; the reconciler looks again.
	others := &v1alpha1.EnvironmentConfigList{}
	if err := d.client.List(ctx, others, client.UnsafeDisableDeepCopy); err != nil {
		return place{}, statusOf(fmt.Errorf("list EnvironmentConfigs: %w", err))
	}
	if err := resolved.Tenancy().Contested(spec.DeploymentUnit.Namespace, environment.Tenancies(others.Items, d.environments)); err != nil {
		return place{}, precondition("NAMESPACE_CONTESTED", "environment:"+name, err.Error())
	}
	return place{
		namespace: namespace, create: resolved.Spec.Namespaces.Create, bounded: quota.Bounded(resolved.Spec.Quotas),
	}, nil
}

// createNamespace makes a namespace. That another call made it is fine.
func (d *deployments) createNamespace(ctx context.Context, name string, dryRun bool) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.FieldManagerReconciler},
	}}
	options := []client.CreateOption{client.FieldOwner(v1alpha1.FieldManagerServer)}
	if dryRun {
		options = append(options, client.DryRunAll)
	}
	if err := d.client.Create(ctx, namespace, options...); err != nil {
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return fmt.Errorf("create namespace %s: %w", name, err)
	}
	if !dryRun {
		logr.FromContextOrDiscard(ctx).Info("created namespace", "namespace", name)
	}
	return nil
}

// reserve keeps room in the environment's quotas for a record; a dry run only looks
// whether there is any.
func (d *deployments) reserve(ctx context.Context, spec *v1alpha1.DeploymentRecordSpec, in place, before *v1alpha1.DeploymentRecord, dryRun bool) (*quota.Reservation, error) {
	if _, err := nfr.Analyze(spec); err != nil {
		if problem, ok := errors.AsType[*field.Error](err); ok {
			return nil, invalid(field.ErrorList{problem})
		}
		return nil, statusOf(err)
	}
	if !in.bounded {
		return nil, nil
	}
	demand, err := d.ledger.Meter.Demand(ctx, previewed(before, in.namespace, *spec))
	if err != nil {
		return nil, statusOf(err)
	}
	request := quota.Request{
		Environment: spec.TargetEnvironment,
		Record:      types.NamespacedName{Namespace: in.namespace, Name: spec.DeploymentUnit.ID},
		Demand:      demand,
		Before:      before,
	}
	var reservation *quota.Reservation
	if dryRun {
		err = d.ledger.Check(ctx, request)
	} else {
		reservation, err = d.ledger.Reserve(ctx, request)
	}
	if exceeded, ok := errors.AsType[*quota.ExceededError](err); ok {
		return nil, exhausted(exceeded)
	}
	return reservation, statusOf(err)
}

// release gives back what was reserved for a write that did not happen. What may
// have happened keeps its room until the reservation expires.
func (d *deployments) release(ctx context.Context, reservation *quota.Reservation, cause error) {
	if !quota.Definitive(cause) && !tooLarge(cause) {
		return
	}
	if err := d.ledger.Release(ctx, reservation); err != nil {
		logr.FromContextOrDiscard(ctx).Error(err, "the room that was reserved comes back when the reservation expires")
	}
}
