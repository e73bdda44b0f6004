// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package nfr turns the non-functional requirements of a deployment record into
// sizes: replicas, resources, the target of an autoscaler. It decides and does
// nothing else.
//
// Replicas of a function, the first that is said wins:
//
//	least    function.minReplicas, resourceAllocation.minReplicas,
//	         and for a record without any allocation: max(ceil(throughput / 1000),
//	         copies that the availability asks for), where that is more than 1
//	greatest function.maxReplicas, resourceAllocation.maxReplicas,
//	         and for a record without any allocation: twice the same
//
// bounded by the ceiling of the environment's template and the program's cap. A
// record that the Package Manager planned has an allocation, and the plan counts:
// whoever bounds a deployment's replicas means that, whatever its requirements.
//
// Resources of a function's replica: what the function says, else what the latency
// bound asks for (500m and 512Mi below 100 ms, 200m and 256Mi with a wider one),
// else what the template says, else 200m and 256Mi.
package nfr

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/apis/quantity"
)

const (
	// ReplicaCapacityRPS is the rate, in requests per second, that one replica is
	// taken to sustain as long as nothing was measured. The Package Manager plans
	// with the same.
	ReplicaCapacityRPS = 1000
	// DefaultTargetCPU is the average CPU use to aim at, in percent of the request,
	// where a record names none.
	DefaultTargetCPU = 70
	// StrictLatencyMs is the latency bound, in milliseconds, below which a function
	// gets the larger size.
	StrictLatencyMs = 100
)

// maxReplicas keeps twice a number of replicas within an int32.
const maxReplicas = math.MaxInt32 / 2

// Analysis is what the requirements of a record come to.
type Analysis struct {
	// MinThroughputRPS is the rate to sustain, in requests per second; 0 without a
	// requirement.
	MinThroughputRPS int64
	// MaxLatencyMs is the greatest 95th percentile latency, in milliseconds; 0
	// without a requirement.
	MaxLatencyMs int64
	// Copies is the number of replicas that the availability asks for: 3 from 0.999,
	// 2 from 0.99, else 1.
	Copies int32
	// TargetCPU is the average CPU use that an autoscaler aims at, in percent of the
	// request.
	TargetCPU int32
	// CPU and Memory are the size of a replica of a function that names none.
	CPU, Memory resource.Quantity
	// Sized tells that CPU and Memory follow from a requirement, so that a
	// template's own size gives way.
	Sized bool
	// MinReplicas and MaxReplicas bound each function that has no bounds of its own,
	// before any ceiling. MinReplicas is 0 where nobody asks for a replica that
	// waits for calls; MaxReplicas is 0 where it follows the minimum.
	MinReplicas, MaxReplicas int32
}

// Analyze fails for an availability that is no decimal between 0 and 1, and for
// resources of less than nothing; the error is a *field.Error.
func Analyze(spec *v1alpha1.DeploymentRecordSpec) (Analysis, error) {
	required := spec.NFRRequirements
	copies, err := copiesFor(required.Availability)
	if err != nil {
		return Analysis{}, err
	}
	if err := checkSizes(spec.FunctionContainers); err != nil {
		return Analysis{}, err
	}
	a := Analysis{
		Copies:      copies,
		TargetCPU:   DefaultTargetCPU,
		CPU:         resource.MustParse("200m"),
		Memory:      resource.MustParse("256Mi"),
		MinReplicas: spec.ResourceAllocation.MinReplicas,
		MaxReplicas: spec.ResourceAllocation.MaxReplicas,
	}
	if required.MinThroughputRPS != nil {
		a.MinThroughputRPS = max(*required.MinThroughputRPS, 0)
	}
	if required.CPUUtilizationTarget != nil {
		a.TargetCPU = cmp.Or(*required.CPUUtilizationTarget, DefaultTargetCPU)
	}
	if required.MaxLatencyMs != nil && *required.MaxLatencyMs > 0 {
		a.MaxLatencyMs = *required.MaxLatencyMs
		a.Sized = true
		if a.MaxLatencyMs < StrictLatencyMs {
			a.CPU, a.Memory = resource.MustParse("500m"), resource.MustParse("512Mi")
		}
	}
	if spec.ResourceAllocation == (v1alpha1.ResourceAllocation{}) {
		a.derive()
	}
	return a, nil
}

// derive sizes a record that nobody planned, by the rules that the Package Manager
// plans with. A single replica is not asked for by a requirement: a workload that
// can wake up for the first call may do without.
func (a *Analysis) derive() {
	if a.MinThroughputRPS == 0 && a.Copies < 2 {
		return
	}
	// Written so that the greatest int64 does not overflow.
	byThroughput := min((max(a.MinThroughputRPS, 1)-1)/ReplicaCapacityRPS+1, maxReplicas)
	least := max(int32(byThroughput), a.Copies)
	a.MaxReplicas = 2 * least
	if least > 1 {
		a.MinReplicas = least
	}
}

// copiesFor reads the availability exactly; a float would put 0.999 on the wrong
// side of a bound now and then.
func copiesFor(availability string) (int32, error) {
	if availability == "" {
		return 1, nil
	}
	value, ok := new(big.Rat).SetString(availability)
	// A fraction such as 1/2 is a rational number and no decimal.
	if !ok || strings.Contains(availability, "/") || value.Sign() < 0 || value.Cmp(big.NewRat(1, 1)) > 0 {
		return 0, fmt.Errorf("analyze requirements: %w", field.Invalid(field.NewPath("spec", "nfrRequirements", "availability"),
			availability, "write a decimal between 0 and 1, such as 0.999"))
	}
	switch {
	case value.Cmp(big.NewRat(999, 1000)) >= 0:
		return 3, nil
	case value.Cmp(big.NewRat(99, 100)) >= 0:
		return 2, nil
	default:
		return 1, nil
	}
}

// checkSizes refuses what nobody can reserve before it is counted anywhere.
func checkSizes(functions []v1alpha1.FunctionContainer) error {
	for i := range functions {
		resources, path := functions[i].Resources, field.NewPath("spec", "functionContainers").Index(i).Child("resources")
		for _, list := range []struct {
			name  string
			sizes corev1.ResourceList
		}{{"requests", resources.Requests}, {"limits", resources.Limits}} {
			for _, name := range namesOf(list.sizes) {
				size := list.sizes[name]
				var problem string
				switch {
				case size.Sign() < 0:
					problem = "must not be negative"
				case quantity.TooLarge(size):
					problem = quantity.TooLargeReason
				default:
					continue
				}
				return fmt.Errorf("analyze requirements: %w", field.Invalid(path.Child(list.name).Key(string(name)), size.String(), problem))
			}
		}
	}
	return nil
}
