// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package quota keeps the sum of what runs in an environment within the quotas
// of its EnvironmentConfig.
//
// What a record may ask for is decided before it runs, by Ledger.Reserve, which
// adds it to the status of the EnvironmentConfig under the optimistic lock of
// the API server; no two programs can give away the same room. The reservation
// becomes what the record was admitted with (status.admitted) when the record is
// worked on. From then on the record itself tells what is used, and the
// reservation is dropped.
package quota

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// ReasonQuotaExceeded is the reason of the conditions of a record that its
// environment has no room for.
const ReasonQuotaExceeded = "QuotaExceeded"

// Names of what quotas bound, as in the EnvironmentConfig.
const (
	ResourceCPU         = "cpu"
	ResourceMemory      = "memory"
	ResourceReplicas    = "replicas"
	ResourceDeployments = "deployments"
)

// ExceededError tells which quota has no room.
type ExceededError struct {
	// Environment whose quota it is.
	Environment string
	// Resource is the name of the quota.
	Resource string
	// Requested is what would be added to Used, and Limit what both may not exceed.
	Requested, Used, Limit resource.Quantity
}

// Error implements error.
func (e *ExceededError) Error() string {
	return fmt.Sprintf("quota of environment %s exceeded: requested %s=%s, used %s, limit %s: ask for less, remove a deployment or raise spec.quotas.%s of EnvironmentConfig %s",
		e.Environment, e.Resource, e.Requested.String(), e.Used.String(), e.Limit.String(), e.Resource, e.Environment)
}

// Bounded tells whether anything is bounded at all.
func Bounded(quotas v1alpha1.Quotas) bool {
	return quotas.CPU != nil || quotas.Memory != nil || quotas.Replicas != nil || quotas.Deployments != nil
}

// Fits returns what exceeds a quota when demand is added to used, nil when all of
// it fits. What is not asked for is not looked at: who lowers a quota below what
// is used refuses what is new, and nothing else.
func Fits(environment string, quotas v1alpha1.Quotas, used, demand v1alpha1.UsedQuotas) *ExceededError {
	for _, q := range []struct {
		resource     string
		limit        *resource.Quantity
		used, demand resource.Quantity
	}{
		{ResourceDeployments, count(quotas.Deployments), of(used.Deployments), of(demand.Deployments)},
		{ResourceReplicas, count(quotas.Replicas), of(used.Replicas), of(demand.Replicas)},
		{ResourceCPU, quotas.CPU, used.CPU, demand.CPU},
		{ResourceMemory, quotas.Memory, used.Memory, demand.Memory},
	} {
		if q.limit == nil || q.demand.Sign() <= 0 {
			continue
		}
		sum := q.used.DeepCopy()
		sum.Add(q.demand)
		if sum.Cmp(*q.limit) > 0 {
			return &ExceededError{Environment: environment, Resource: q.resource, Requested: q.demand, Used: q.used, Limit: *q.limit}
		}
	}
	return nil
}

func of(number int32) resource.Quantity {
	return *resource.NewQuantity(int64(number), resource.DecimalSI)
}

func count(limit *int32) *resource.Quantity {
	if limit == nil {
		return nil
	}
	return resource.NewQuantity(int64(*limit), resource.DecimalSI)
}
