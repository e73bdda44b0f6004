// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner

import (
	"fmt"
	"math"
	"math/big"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// ReplicaCapacityRPS is the rate, in requests per second, that one replica is
// taken to sustain as long as nothing was measured.
const ReplicaCapacityRPS = 1000

// maxReplicas keeps twice a replica count within an int32.
const maxReplicas = math.MaxInt32 / 2

// parseAvailability reads a decimal between 0 and 1 exactly; a float would put
// 0.999 on the wrong side of a bound now and then. Empty gives nil.
func parseAvailability(field, value string) (*big.Rat, error) {
	if value == "" {
		return nil, nil
	}
	availability, ok := new(big.Rat).SetString(value)
	if !ok || availability.Sign() < 0 || availability.Cmp(big.NewRat(1, 1)) > 0 {
		return nil, fmt.Errorf("%s: %q is not a decimal between 0 and 1: write it like 0.999", field, value)
	}
	return availability, nil
}

// replicationFactor is the number of copies that an availability asks for: 3
// from 0.999, 2 from 0.99, else 1.
func replicationFactor(availability *big.Rat) int32 {
	switch {
	case availability == nil:
		return 1
	case availability.Cmp(big.NewRat(999, 1000)) >= 0:
		return 3
	case availability.Cmp(big.NewRat(99, 100)) >= 0:
		return 2
	default:
		return 1
	}
}

// requirements sizes every function of a deployment: as many replicas as the
// throughput and the availability need, at most twice as many. A bound of the
// user's wins: the least number raises the minimum, the greatest number is taken
// as it stands and lowers the minimum where it has to.
func requirements(spec *pmv1alpha1.ClassDeploymentSpec, availability *big.Rat) pmv1alpha1.ComputedRequirements {
	factor := replicationFactor(availability)
	least := max(replicasForThroughput(spec.NFR.MinThroughputRPS), factor)
	var bounds pmv1alpha1.ReplicaBounds
	if spec.Replicas != nil {
		bounds = *spec.Replicas
	}
	if bounds.Min != nil {
		least = max(least, min(*bounds.Min, maxReplicas))
	}
	greatest := 2 * least
	if bounds.Max != nil {
		greatest = *bounds.Max
		least = min(least, greatest)
	}
	return pmv1alpha1.ComputedRequirements{ReplicationFactor: factor, MinReplicas: least, MaxReplicas: greatest}
}

func replicasForThroughput(rps *int64) int32 {
	if rps == nil || *rps <= 0 {
		return 1
	}
	// Written so that the greatest int64 does not overflow.
	replicas := (*rps-1)/ReplicaCapacityRPS + 1
	return int32(min(replicas, maxReplicas))
}

// functionBounds are the replica bounds of one function: its own where it has
// some, and never a minimum above the maximum. Nil leaves the bound to the unit.
func functionBounds(provision *pmv1alpha1.FunctionProvision, unit pmv1alpha1.ComputedRequirements) (least, greatest *int32) {
	least, greatest = provision.MinScale, provision.MaxScale
	switch {
	case greatest != nil && least == nil && unit.MinReplicas > *greatest:
		least = greatest
	case least != nil && greatest == nil && unit.MaxReplicas < *least:
		greatest = least
	}
	return least, greatest
}

// pinned is the exact number of replicas of every function that the user asks for
// with two equal bounds, as scaling does; nil without one. It wins over the bounds
// that the functions bring: whoever scales to three, or to none, means that.
func pinned(bounds *pmv1alpha1.ReplicaBounds) *int32 {
	if bounds == nil || bounds.Min == nil || bounds.Max == nil || *bounds.Min != *bounds.Max {
		return nil
	}
	return bounds.Min
}
