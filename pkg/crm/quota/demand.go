// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"context"
	"fmt"
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/nfr"
)

// Demand is what the functions of a record ask for themselves: the requests of each
// times its greatest number of replicas, and one deployment. The ceiling is the
// program's, which no environment and no template can lift.
func Demand(spec *v1alpha1.DeploymentRecordSpec, analysis nfr.Analysis, ceiling nfr.Ceiling) v1alpha1.UsedQuotas {
	demand := v1alpha1.UsedQuotas{Deployments: 1}
	for i := range spec.FunctionContainers {
		container := &spec.FunctionContainers[i]
		replicas := analysis.Size(container, ceiling).Max
		requests := analysis.Resources(container.Resources, v1alpha1.FunctionResources{}, ceiling).Requests
		demand = sum(demand, v1alpha1.UsedQuotas{
			CPU:      times(requests[corev1.ResourceCPU], replicas),
			Memory:   times(requests[corev1.ResourceMemory], replicas),
			Replicas: replicas,
		})
	}
	return demand
}

// Planned tells what would run a record, which need not exist, with the template, the
// environment and the data grid that it would have now, comes to use. ok is false
// where nothing can run it.
type Planned func(ctx context.Context, record *v1alpha1.DeploymentRecord) (demand v1alpha1.UsedQuotas, ok bool, err error)

// Meter tells what records ask for and what they have.
type Meter struct {
	// Ceiling is the program's own; the zero value is none.
	Ceiling nfr.Ceiling
	// Planned tells what really would run; without it, functions count alone.
	Planned Planned
}

// Demand is what a record may come to use: that of what would run it, and as long as
// nothing can run it, what its functions ask for themselves. It fails for a record
// whose requirements cannot be read, which therefore never runs.
func (m Meter) Demand(ctx context.Context, record *v1alpha1.DeploymentRecord) (v1alpha1.UsedQuotas, error) {
	demand, err := m.own(&record.Spec)
	if err != nil || m.Planned == nil {
		return demand, err
	}
	planned, ok, err := m.Planned(ctx, record)
	if err != nil {
		return v1alpha1.UsedQuotas{}, fmt.Errorf("plan record %s/%s: %w", record.Namespace, record.Name, err)
	}
	if ok {
		demand = planned
	}
	return demand, nil
}

// own is what the functions of a record ask for themselves.
func (m Meter) own(spec *v1alpha1.DeploymentRecordSpec) (v1alpha1.UsedQuotas, error) {
	analysis, err := nfr.Analyze(spec)
	if err != nil {
		return v1alpha1.UsedQuotas{}, err
	}
	return Demand(spec, analysis, m.Ceiling), nil
}

// Admitted is what a record was let in with in an environment; nothing where it is
// not let in yet, or in another one. A record that has children from before there
// was a note of it was let in as it stands.
func (m Meter) Admitted(record *v1alpha1.DeploymentRecord, environment string) v1alpha1.UsedQuotas {
	switch admitted := record.Status.Admitted; {
	case admitted != nil && admitted.Environment == environment:
		return admitted.Amount
	case admitted == nil && len(record.Status.ResourceRefs) > 0 && record.Spec.TargetEnvironment == environment:
		demand, err := m.own(&record.Spec)
		if err != nil {
			// What cannot be read has no children.
			return v1alpha1.UsedQuotas{}
		}
		return demand
	default:
		return v1alpha1.UsedQuotas{}
	}
}

// Environments are those that a record counts in: the one that it is to run in, and
// the one that it was let in by, as long as that is another.
func Environments(record *v1alpha1.DeploymentRecord) []string {
	environments := []string{record.Spec.TargetEnvironment}
	if admitted := record.Status.Admitted; admitted != nil && admitted.Environment != record.Spec.TargetEnvironment {
		environments = append(environments, admitted.Environment)
	}
	return environments
}

func times(quantity resource.Quantity, n int32) resource.Quantity {
	product := quantity.DeepCopy()
	product.Mul(int64(n))
	return product
}

func sum(a, b v1alpha1.UsedQuotas) v1alpha1.UsedQuotas {
	return combine(a, b,
		func(a, b resource.Quantity) resource.Quantity { a.Add(b); return a },
		func(a, b int64) int64 { return a + b })
}

// missing is what has to be added to have so that it covers want; nothing where
// have is more.
func missing(want, have v1alpha1.UsedQuotas) v1alpha1.UsedQuotas {
	return combine(want, have,
		func(want, have resource.Quantity) resource.Quantity {
			if want.Cmp(have) <= 0 {
				return resource.Quantity{Format: want.Format}
			}
			want.Sub(have)
			return want
		},
		func(want, have int64) int64 { return max(want-have, 0) })
}

func larger(a, b v1alpha1.UsedQuotas) v1alpha1.UsedQuotas {
	return combine(a, b,
		func(a, b resource.Quantity) resource.Quantity {
			if a.Cmp(b) < 0 {
				return b
			}
			return a
		},
		func(a, b int64) int64 { return max(a, b) })
}

// covers tells that nothing of want is missing in have.
func covers(have, want v1alpha1.UsedQuotas) bool {
	return want.CPU.Cmp(have.CPU) <= 0 && want.Memory.Cmp(have.Memory) <= 0 &&
		want.Replicas <= have.Replicas && want.Deployments <= have.Deployments
}

// combine computes each resource on its own, on copies. Numbers end at the
// greatest int32: more could not be told, and is more than any limit.
func combine(a, b v1alpha1.UsedQuotas, quantities func(a, b resource.Quantity) resource.Quantity, numbers func(a, b int64) int64) v1alpha1.UsedQuotas {
	number := func(a, b int32) int32 { return int32(min(numbers(int64(a), int64(b)), math.MaxInt32)) }
	return v1alpha1.UsedQuotas{
		CPU:         quantities(a.CPU.DeepCopy(), b.CPU.DeepCopy()),
		Memory:      quantities(a.Memory.DeepCopy(), b.Memory.DeepCopy()),
		Replicas:    number(a.Replicas, b.Replicas),
		Deployments: number(a.Deployments, b.Deployments),
	}
}
