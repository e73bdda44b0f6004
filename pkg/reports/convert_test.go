// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"math"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/validation"
	packagev1 "oaas.io/oaas/pkg/generated/grpc/oaas/package/v1"
)

func TestDecimalsHaveNoNoise(t *testing.T) {
	noise := 0.1
	noise += 0.2
	cases := map[string]struct {
		value    float64
		decimals int
		want     string
	}{
		"a sum of binary fractions": {noise, 3, "0.3"},
		"a whole number":            {1200, 3, "1200"},
		"zero":                      {0, 3, "0"},
		"minus zero":                {math.Copysign(0, -1), 3, "0"},
		"less than what is kept":    {1e-300, 6, "0"},
		"rounded up to one":         {0.9999999, 6, "1"},
		"a large number":            {1e12, 3, "1000000000000"},
		"a third":                   {1.0 / 3, 6, "0.333333"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := decimal(tc.value, tc.decimals); got != tc.want {
				t.Errorf("decimal = %q, want %q", got, tc.want)
			}
		})
	}
}

// fuzzNow is the time at which reports of the fuzzer arrive.
var fuzzNow = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// What is accepted makes a valid runtime state, whatever the bytes on the wire are.
func FuzzFromStatuses(f *testing.F) {
	seed := func(request *packagev1.ReportDeploymentStatusRequest) {
		wire, err := proto.Marshal(request)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	unit := &packagev1.Unit{Namespace: "shop", DeploymentId: "cart-1", ClassDeployment: "cart"}
	seed(&packagev1.ReportDeploymentStatusRequest{Cluster: "a", Statuses: []*packagev1.UnitStatus{{
		Unit: unit, Health: packagev1.RuntimeHealth_RUNTIME_HEALTH_DEGRADED, Condition: "Running", Phase: "Ready", Message: "slow",
		ObservedAt: timestamppb.New(fuzzNow),
	}}})
	seed(&packagev1.ReportDeploymentStatusRequest{Cluster: "A/..", Statuses: []*packagev1.UnitStatus{nil, {Message: "\x00", Health: -1}}})
	f.Fuzz(func(t *testing.T, wire []byte) {
		request := &packagev1.ReportDeploymentStatusRequest{}
		if proto.Unmarshal(wire, request) != nil {
			return
		}
		converted, problems := FromStatuses(request, fuzzNow)
		checkConverted(t, converted, len(problems), len(request.GetStatuses()))
	})
}

// The same for metrics.
func FuzzFromMetrics(f *testing.F) {
	seed := func(request *packagev1.ReportRuntimeMetricsRequest) {
		wire, err := proto.Marshal(request)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	unit := &packagev1.Unit{Namespace: "shop", DeploymentId: "cart-1", ClassDeployment: "cart"}
	for _, value := range []float64{0, 0.1, 1, 1e-300, 1e12, 1e308, -1, math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1)} {
		m := &packagev1.Metrics{
			CpuCores: &value, MemoryBytes: new(int64(value)), RequestsPerSecond: &value, ErrorRate: &value,
			LatencyP50Ms: &value, LatencyP95Ms: &value, LatencyP99Ms: &value, Replicas: int32(value),
		}
		seed(&packagev1.ReportRuntimeMetricsRequest{Cluster: "a", Metrics: []*packagev1.UnitMetrics{{
			Unit: unit, Total: m, Functions: []*packagev1.FunctionMetrics{{FunctionKey: "add", Metrics: m}}, ObservedAt: timestamppb.New(fuzzNow),
		}}})
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		request := &packagev1.ReportRuntimeMetricsRequest{}
		if proto.Unmarshal(wire, request) != nil {
			return
		}
		converted, problems := FromMetrics(request, fuzzNow)
		checkConverted(t, converted, len(problems), len(request.GetMetrics()))
	})
}

func checkConverted(t *testing.T, converted []Report, problems, units int) {
	t.Helper()
	if problems > 0 {
		if converted != nil {
			t.Fatal("a report that is refused was converted")
		}
		return
	}
	if len(converted) != units || units > MaxUnits {
		t.Fatalf("%d units became %d reports", units, len(converted))
	}
	for _, report := range converted {
		state := &pm.RuntimeState{}
		key := report.Unit.Key()
		state.Namespace, state.Name = key.Namespace, key.Name
		describe(state, report.Unit, &Owner{Name: report.Unit.ClassDeployment, UID: "1"})
		report.write(&state.Status)
		if errs := validation.ValidateRuntimeState(state); len(errs) > 0 {
			t.Fatalf("an accepted report makes an invalid state: %v", errs)
		}
		if again, older := report.since(&state.Status); older || !again.empty() {
			t.Fatalf("a repetition is not recognised: %+v", again)
		}
	}
}
