// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package nfr

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"pgregory.net/rapid"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/planner"
)

func analyze(tb testing.TB, spec v1alpha1.DeploymentRecordSpec) Analysis {
	tb.Helper()
	analysis, err := Analyze(&spec)
	if err != nil {
		tb.Fatal(err)
	}
	return analysis
}

func TestAnalyze(t *testing.T) {
	type outcome struct {
		Copies, TargetCPU, Min, Max int32
		CPU, Memory                 string
		Sized                       bool
	}
	plain := outcome{Copies: 1, TargetCPU: 70, CPU: "200m", Memory: "256Mi"}
	cases := map[string]struct {
		required   v1alpha1.NFRRequirements
		allocation v1alpha1.ResourceAllocation
		want       func(*outcome)
	}{
		"no requirement asks for nothing":           {want: func(*outcome) {}},
		"three nines ask for three replicas":        {required: v1alpha1.NFRRequirements{Availability: "0.999"}, want: func(o *outcome) { o.Copies, o.Min, o.Max = 3, 3, 6 }},
		"just below three nines ask for two":        {required: v1alpha1.NFRRequirements{Availability: "0.99899999999999999999"}, want: func(o *outcome) { o.Copies, o.Min, o.Max = 2, 2, 4 }},
		"two nines ask for two replicas":            {required: v1alpha1.NFRRequirements{Availability: "0.99"}, want: func(o *outcome) { o.Copies, o.Min, o.Max = 2, 2, 4 }},
		"less asks for one, which may rest":         {required: v1alpha1.NFRRequirements{Availability: "0.9"}, want: func(*outcome) {}},
		"a low rate has room to grow from nothing":  {required: v1alpha1.NFRRequirements{MinThroughputRPS: new(int64(1000))}, want: func(o *outcome) { o.Max = 2 }},
		"a rate above one replica's asks for more":  {required: v1alpha1.NFRRequirements{MinThroughputRPS: new(int64(2001))}, want: func(o *outcome) { o.Min, o.Max = 3, 6 }},
		"the greater of rate and availability wins": {required: v1alpha1.NFRRequirements{MinThroughputRPS: new(int64(1500)), Availability: "0.999"}, want: func(o *outcome) { o.Copies, o.Min, o.Max = 3, 3, 6 }},
		"the greatest rate does not overflow":       {required: v1alpha1.NFRRequirements{MinThroughputRPS: new(int64(math.MaxInt64))}, want: func(o *outcome) { o.Min, o.Max = maxReplicas, 2*maxReplicas }},
		"what was planned counts":                   {required: v1alpha1.NFRRequirements{Availability: "0.999", MinThroughputRPS: new(int64(9000))}, allocation: v1alpha1.ResourceAllocation{ReplicationFactor: 3, MinReplicas: 1, MaxReplicas: 2}, want: func(o *outcome) { o.Copies, o.Min, o.Max = 3, 1, 2 }},
		"a strict latency asks for a larger size":   {required: v1alpha1.NFRRequirements{MaxLatencyMs: new(int64(99))}, want: func(o *outcome) { o.CPU, o.Memory, o.Sized = "500m", "512Mi", true }},
		"a wider latency asks for the usual size":   {required: v1alpha1.NFRRequirements{MaxLatencyMs: new(int64(100))}, want: func(o *outcome) { o.Sized = true }},
		"the user's CPU target wins":                {required: v1alpha1.NFRRequirements{CPUUtilizationTarget: new(int32(50))}, want: func(o *outcome) { o.TargetCPU = 50 }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a := analyze(t, v1alpha1.DeploymentRecordSpec{NFRRequirements: tc.required, ResourceAllocation: tc.allocation})
			want := plain
			tc.want(&want)
			got := outcome{a.Copies, a.TargetCPU, a.MinReplicas, a.MaxReplicas, a.CPU.String(), a.Memory.String(), a.Sized}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("analysis (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnalyzeRefusesAnAvailabilityThatIsNone(t *testing.T) {
	for _, availability := range []string{"often", "1.1", "-0.5", "99%", "999/1000", "NaN", "Inf", "1e308", "1e-100000000", "٠٫٩"} {
		_, err := Analyze(&v1alpha1.DeploymentRecordSpec{NFRRequirements: v1alpha1.NFRRequirements{Availability: availability}})
		var invalid *field.Error
		if !errors.As(err, &invalid) || invalid.Field != "spec.nfrRequirements.availability" || invalid.BadValue != availability {
			t.Errorf("availability %q: error %v", availability, err)
		}
	}
}

// A function that reserves less than nothing would make room for others in the quotas
// of its environment.
func TestAnalyzeRefusesLessThanNothing(t *testing.T) {
	less := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("-1Gi")}
	for name, resources := range map[string]v1alpha1.FunctionResources{"requests": {Requests: less}, "limits": {Limits: less}} {
		_, err := Analyze(&v1alpha1.DeploymentRecordSpec{FunctionContainers: []v1alpha1.FunctionContainer{{}, {Resources: resources}}})
		var invalid *field.Error
		if !errors.As(err, &invalid) || invalid.Field != "spec.functionContainers[1].resources."+name+"[memory]" || invalid.BadValue != "-1Gi" {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// To add up or compare such a size takes all memory that there is.
func TestAnalyzeRefusesMoreThanAnythingHas(t *testing.T) {
	for _, text := range []string{"1e19", "9e2147483647"} {
		more := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(text)}
		for name, resources := range map[string]v1alpha1.FunctionResources{"requests": {Requests: more}, "limits": {Limits: more}} {
			_, err := Analyze(&v1alpha1.DeploymentRecordSpec{FunctionContainers: []v1alpha1.FunctionContainer{{Resources: resources}}})
			var invalid *field.Error
			if !errors.As(err, &invalid) || invalid.Field != "spec.functionContainers[0].resources."+name+"[memory]" {
				t.Errorf("%s of %s: error %v", name, text, err)
			}
		}
	}
}

// A record that nobody planned is sized like one that the Package Manager planned.
func TestCapacityIsThePlanners(t *testing.T) {
	if ReplicaCapacityRPS != planner.ReplicaCapacityRPS {
		t.Errorf("a replica sustains %d requests per second here and %d for the planner", ReplicaCapacityRPS, planner.ReplicaCapacityRPS)
	}
}

func TestSize(t *testing.T) {
	type allocation = v1alpha1.ResourceAllocation
	type container = v1alpha1.FunctionContainer
	cases := map[string]struct {
		allocation allocation
		container  container
		ceiling    int32
		want       Size
	}{
		"nothing asked for is one replica that may rest":             {want: Size{Replicas: 1, Max: 1}},
		"the record's minimum counts":                                {allocation: allocation{MinReplicas: 3}, want: Size{Replicas: 3, Min: 3, Max: 3}},
		"the record's maximum leaves room":                           {allocation: allocation{MinReplicas: 1, MaxReplicas: 4}, want: Size{Replicas: 1, Min: 1, Max: 4}},
		"the function's minimum wins":                                {allocation: allocation{MinReplicas: 3}, container: container{MinReplicas: new(int32(2))}, want: Size{Replicas: 2, Min: 2, Max: 2}},
		"the function's maximum bounds the record's minimum":         {allocation: allocation{MinReplicas: 5}, container: container{MaxReplicas: new(int32(4))}, want: Size{Replicas: 4, Min: 4, Max: 4}},
		"the record's maximum bounds the function's minimum":         {allocation: allocation{MinReplicas: 1, MaxReplicas: 3}, container: container{MinReplicas: new(int32(5))}, want: Size{Replicas: 3, Min: 3, Max: 3}},
		"the ceiling bounds everything":                              {allocation: allocation{MinReplicas: 50, MaxReplicas: 100}, ceiling: 20, want: Size{Replicas: 20, Min: 20, Max: 20}},
		"the ceiling bounds the maximum alone":                       {allocation: allocation{MinReplicas: 1, MaxReplicas: 100}, ceiling: 20, want: Size{Replicas: 1, Min: 1, Max: 20}},
		"a function whose maximum is zero is stopped":                {allocation: allocation{MinReplicas: 3}, container: container{MaxReplicas: new(int32(0))}, want: Size{}},
		"a minimum of zero may rest but still runs at a fixed size":  {allocation: allocation{MinReplicas: 2, MaxReplicas: 4}, container: container{MinReplicas: new(int32(0))}, want: Size{Replicas: 1, Max: 4}},
		"a record's maximum of zero does not stop":                   {allocation: allocation{ReplicationFactor: 1}, want: Size{Replicas: 1, Max: 1}},
		"a ceiling of one leaves nothing to spread":                  {allocation: allocation{MinReplicas: 3}, ceiling: 1, want: Size{Replicas: 1, Min: 1, Max: 1}},
		"a function's own bounds both win over those of the record ": {allocation: allocation{MinReplicas: 1, MaxReplicas: 2}, container: container{MinReplicas: new(int32(4)), MaxReplicas: new(int32(8))}, want: Size{Replicas: 4, Min: 4, Max: 8}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a := analyze(t, v1alpha1.DeploymentRecordSpec{ResourceAllocation: tc.allocation})
			ceiling := Ceiling{MaxReplicas: tc.ceiling}
			if diff := cmp.Diff(tc.want, a.Size(&tc.container, ceiling)); diff != "" {
				t.Errorf("size (-want +got):\n%s", diff)
			}
			if got := a.Size(&tc.container, ceiling).Stopped(); got != (tc.want == Size{}) {
				t.Errorf("stopped = %v", got)
			}
		})
	}
}

// Whatever is asked for, a size makes sense.
func TestSizeIsConsistent(t *testing.T) {
	count := rapid.Int32Range(0, 100)
	rapid.Check(t, func(t *rapid.T) {
		a := Analysis{MinReplicas: count.Draw(t, "least"), MaxReplicas: count.Draw(t, "most")}
		container := v1alpha1.FunctionContainer{
			MinReplicas: rapid.Ptr(count, true).Draw(t, "own least"),
			MaxReplicas: rapid.Ptr(count, true).Draw(t, "own most"),
		}
		ceiling := count.Draw(t, "ceiling")
		size := a.Size(&container, Ceiling{MaxReplicas: ceiling})
		if size.Stopped() != (container.MaxReplicas != nil && *container.MaxReplicas == 0) {
			t.Fatalf("stopped by something else than the function's own maximum: %+v", size)
		}
		if size.Stopped() {
			return
		}
		if size.Min < 0 || size.Replicas < 1 || size.Min > size.Replicas || size.Replicas > size.Max || (ceiling > 0 && size.Max > ceiling) {
			t.Fatalf("inconsistent: %+v under %d", size, ceiling)
		}
	})
}

func TestResources(t *testing.T) {
	list := func(pairs ...string) corev1.ResourceList {
		made := corev1.ResourceList{}
		for i := 0; i < len(pairs); i += 2 {
			made[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
		}
		return made
	}
	type sizes = v1alpha1.FunctionResources
	cases := map[string]struct {
		latencyMs int64
		own       sizes
		template  sizes
		ceiling   corev1.ResourceList
		want      sizes
	}{
		"nothing said is the usual size":      {want: sizes{Requests: list("cpu", "200m", "memory", "256Mi"), Limits: list("cpu", "200m", "memory", "256Mi")}},
		"a strict latency is the larger size": {latencyMs: 50, want: sizes{Requests: list("cpu", "500m", "memory", "512Mi"), Limits: list("cpu", "500m", "memory", "512Mi")}},
		"the template's size replaces the usual one": {
			template: sizes{Requests: list("cpu", "50m"), Limits: list("cpu", "1")},
			want:     sizes{Requests: list("cpu", "50m", "memory", "256Mi"), Limits: list("cpu", "1", "memory", "256Mi")},
		},
		"a template may leave the limit open": {
			template: sizes{Requests: list("cpu", "50m")},
			want:     sizes{Requests: list("cpu", "50m", "memory", "256Mi"), Limits: list("memory", "256Mi")},
		},
		"a requirement wins over the template, except for what it does not know": {
			latencyMs: 50, template: sizes{Requests: list("cpu", "50m", "example.com/gpu", "1")},
			want: sizes{Requests: list("cpu", "500m", "memory", "512Mi", "example.com/gpu", "1"), Limits: list("cpu", "500m", "memory", "512Mi", "example.com/gpu", "1")},
		},
		"the user's values win": {
			latencyMs: 50, template: sizes{Requests: list("cpu", "50m")}, own: sizes{Requests: list("cpu", "1", "memory", "1Gi"), Limits: list("cpu", "2", "memory", "2Gi")},
			want: sizes{Requests: list("cpu", "1", "memory", "1Gi"), Limits: list("cpu", "2", "memory", "2Gi")},
		},
		"a limit of the user's lowers the request": {
			own:  sizes{Limits: list("cpu", "100m")},
			want: sizes{Requests: list("cpu", "100m", "memory", "256Mi"), Limits: list("cpu", "100m", "memory", "256Mi")},
		},
		"a request of the user's raises the limit": {
			own:  sizes{Requests: list("memory", "1Gi")},
			want: sizes{Requests: list("cpu", "200m", "memory", "1Gi"), Limits: list("cpu", "200m", "memory", "1Gi")},
		},
		"a device is limited as it is requested": {
			own:  sizes{Requests: list("example.com/gpu", "1", "ephemeral-storage", "1Gi")},
			want: sizes{Requests: list("cpu", "200m", "memory", "256Mi", "example.com/gpu", "1", "ephemeral-storage", "1Gi"), Limits: list("cpu", "200m", "memory", "256Mi", "example.com/gpu", "1")},
		},
		"what is finer than Kubernetes stores is rounded up": {
			own:  sizes{Requests: list("cpu", "100u")},
			want: sizes{Requests: list("cpu", "1m", "memory", "256Mi"), Limits: list("cpu", "200m", "memory", "256Mi")},
		},
		"the ceiling lowers what nobody asked for": {
			latencyMs: 50, ceiling: list("cpu", "300m", "example.com/gpu", "1"),
			want: sizes{Requests: list("cpu", "300m", "memory", "512Mi"), Limits: list("cpu", "300m", "memory", "512Mi")},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			spec := v1alpha1.DeploymentRecordSpec{}
			if tc.latencyMs > 0 {
				spec.NFRRequirements.MaxLatencyMs = &tc.latencyMs
			}
			got := analyze(t, spec).Resources(tc.own, tc.template, Ceiling{MaxResources: tc.ceiling})
			if diff := cmp.Diff(tc.want, sizes{Requests: got.Requests, Limits: got.Limits}); diff != "" {
				t.Errorf("resources (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExceeds(t *testing.T) {
	ceiling := Ceiling{MaxResources: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi")}}
	own := v1alpha1.FunctionResources{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("1Gi")},
		Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("4"), "example.com/gpu": resource.MustParse("8")},
	}
	got := Exceeds(own, ceiling)
	if len(got) != 1 || got[0].Name != corev1.ResourceCPU || got[0].Asked.String() != "4" || got[0].Most.String() != "1" {
		t.Errorf("excesses = %+v, want 4 of 1 CPU", got)
	}
	if got := Exceeds(own, Ceiling{}); got != nil {
		t.Errorf("excesses without a ceiling = %+v", got)
	}
}
