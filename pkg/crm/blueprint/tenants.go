// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package blueprint

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/environment"
)

// tenantIndex finds the records of a tenant in a namespace.
const tenantIndex = "tenantInNamespace"

func tenantKey(namespace, tenant string) string { return namespace + "/" + tenant }

// IndexRecords adds to a cache, before it is started, what a Blueprint finds records
// by.
func IndexRecords(ctx context.Context, records client.FieldIndexer) error {
	err := records.IndexField(ctx, &v1alpha1.DeploymentRecord{}, tenantIndex, func(object client.Object) []string {
		record, ok := object.(*v1alpha1.DeploymentRecord)
		if !ok {
			return nil
		}
		return []string{tenantKey(record.Namespace, environment.TenantOf(record))}
	})
	if err != nil {
		return fmt.Errorf("index records by tenant: %w", err)
	}
	return nil
}

// uncontested makes sure that no other environment has the namespace of a record for
// another tenant. Which of two has it does not depend on who looks first: it is the
// environment that names the namespace, of several the oldest, and where no one
// names it the tenant with the oldest record.
func (b *Blueprint) uncontested(ctx context.Context, record *v1alpha1.DeploymentRecord, own environment.Tenancy) error {
	configurations := &v1alpha1.EnvironmentConfigList{}
	if err := b.options.Cache.List(ctx, configurations, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list environments: %w", err)
	}
	tenant, others := environment.TenantOf(record), environment.Tenancies(configurations.Items, b.options.Defaults)
	if err := own.Contested(tenant, others); err != nil {
		return &RefusalError{Reason: ReasonNamespaceContested, Err: err}
	}
	for _, rival := range own.Rivals(tenant, append(others, environment.Unconfigured(b.options.Defaults))) {
		first, err := b.first(ctx, record, rival)
		if err != nil {
			return err
		}
		if first != nil {
			return &RefusalError{Reason: ReasonNamespaceContested, Err: &environment.ContestedError{
				Environment: own.Environment, Tenant: tenant, Namespace: record.Namespace,
				Reason: fmt.Sprintf("is that of tenant %q, whose record %s of environment %q was there before", rival, first.Name, first.Spec.TargetEnvironment),
			}}
		}
	}
	return nil
}

// first is the oldest record of a tenant that is in the namespace of a record longer
// than that; nil for none. A record that is not there yet comes last.
func (b *Blueprint) first(ctx context.Context, record *v1alpha1.DeploymentRecord, tenant string) (*v1alpha1.DeploymentRecord, error) {
	list := &v1alpha1.DeploymentRecordList{}
	if err := b.options.Cache.List(ctx, list, client.MatchingFields{tenantIndex: tenantKey(record.Namespace, tenant)}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list records of tenant %s: %w", tenant, err)
	}
	if len(list.Items) == 0 {
		return nil, nil
	}
	byAge := func(a, b v1alpha1.DeploymentRecord) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	}
	oldest := slices.MinFunc(list.Items, byAge)
	if !record.CreationTimestamp.IsZero() && byAge(*record, oldest) < 0 {
		return nil, nil
	}
	return &oldest, nil
}

// neighbours are the records in the namespaces that an EnvironmentConfig names, of
// whatever environment they are.
func (b *Blueprint) neighbours(ctx context.Context, configuration *v1alpha1.EnvironmentConfig) []reconcile.Request {
	mapping := configuration.Spec.Namespaces
	namespaces := slices.Collect(maps.Values(mapping.Tenants))
	if mapping.Fixed != "" {
		namespaces = append(namespaces, mapping.Fixed)
	}
	var requests []reconcile.Request
	for _, namespace := range namespaces {
		list := &v1alpha1.DeploymentRecordList{}
		if err := b.options.Cache.List(ctx, list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
			logr.FromContextOrDiscard(ctx).Error(err, "list records that share a namespace", "namespace", namespace)
			return requests
		}
		requests = append(requests, requestsOf(list.Items, func(record *v1alpha1.DeploymentRecord) bool {
			return record.Spec.TargetEnvironment != configuration.Name
		})...)
	}
	return requests
}
