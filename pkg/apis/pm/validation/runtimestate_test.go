// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/pm"
)

func runtimeState() *pm.RuntimeState {
	return &pm.RuntimeState{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "west.cart-1"},
		Spec:       pm.RuntimeStateSpec{Cluster: "west", DeploymentID: "cart-1", ClassDeployment: "cart"},
		Status: pm.RuntimeStateStatus{
			Health: pm.RuntimeHealthy, Condition: "Running", Phase: "Ready",
			Total:     pm.RuntimeMetrics{RequestsPerSecond: "12.5", ErrorRate: "0.01", LatencyP95Ms: "3", Replicas: 2, ReadyReplicas: 1},
			Functions: []pm.FunctionRuntime{{Key: "add"}},
		},
	}
}

func TestValidateRuntimeState(t *testing.T) {
	negative := resource.MustParse("-1")
	cases := map[string]struct {
		change func(*pm.RuntimeState)
		field  string
	}{
		"a report as it comes is valid":       {change: func(*pm.RuntimeState) {}},
		"the name tells the unit":             {change: func(s *pm.RuntimeState) { s.Name = "west.cart-2" }, field: "metadata.name"},
		"a cluster is a label":                {change: func(s *pm.RuntimeState) { s.Spec.Cluster = "West" }, field: "spec.cluster"},
		"the deployment is named":             {change: func(s *pm.RuntimeState) { s.Spec.ClassDeployment = "" }, field: "spec.classDeployment"},
		"health is one of four words":         {change: func(s *pm.RuntimeState) { s.Status.Health = "Fine" }, field: "status.health"},
		"a phase is a word":                   {change: func(s *pm.RuntimeState) { s.Status.Phase = "al most" }, field: "status.phase"},
		"a message holds no terminal codes":   {change: func(s *pm.RuntimeState) { s.Status.Message = "\x1b[2J" }, field: "status.message"},
		"a message is short":                  {change: func(s *pm.RuntimeState) { s.Status.Message = strings.Repeat("x", 2000) }, field: "status.message"},
		"rates are decimals":                  {change: func(s *pm.RuntimeState) { s.Status.Total.RequestsPerSecond = "1e3" }, field: "status.total.requestsPerSecond"},
		"no latency is negative":              {change: func(s *pm.RuntimeState) { s.Status.Total.LatencyP95Ms = "-1" }, field: "status.total.latencyP95Ms"},
		"at most all calls fail":              {change: func(s *pm.RuntimeState) { s.Status.Total.ErrorRate = "1.1" }, field: "status.total.errorRate"},
		"no processor gives time back":        {change: func(s *pm.RuntimeState) { s.Status.Total.CPU = &negative }, field: "status.total.cpu"},
		"replicas are counted from zero":      {change: func(s *pm.RuntimeState) { s.Status.Total.Replicas = -1 }, field: "status.total.replicas"},
		"a function is listed once":           {change: func(s *pm.RuntimeState) { s.Status.Functions = append(s.Status.Functions, s.Status.Functions[0]) }, field: "status.functions[1].key"},
		"metrics of functions are looked at":  {change: func(s *pm.RuntimeState) { s.Status.Functions[0].Metrics.ReadyReplicas = -1 }, field: "status.functions[0].metrics.readyReplicas"},
		"the number of functions has a bound": {change: func(s *pm.RuntimeState) { s.Status.Functions = manyFunctions() }, field: "status.functions"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			state := runtimeState()
			tc.change(state)
			errs := ValidateRuntimeState(state)
			if tc.field == "" && len(errs) > 0 || tc.field != "" && (len(errs) == 0 || errs[0].Field != tc.field) {
				t.Errorf("errors = %v, want one of %q", errs, tc.field)
			}
		})
	}
}

func manyFunctions() []pm.FunctionRuntime {
	functions := make([]pm.FunctionRuntime, MaxRuntimeFunctions+1)
	for i := range functions {
		functions[i].Key = "f" + strings.Repeat("x", i%190) + string(rune('a'+i/190))
	}
	return functions
}

func TestARuntimeStateSpeaksOfOneUnitForever(t *testing.T) {
	old, updated := runtimeState(), runtimeState()
	old.ResourceVersion, updated.ResourceVersion = "1", "1"
	if errs := ValidateRuntimeStateUpdate(updated, old); len(errs) > 0 {
		t.Fatalf("no change: %v", errs)
	}
	updated.Spec.Cluster = "east"
	if errs := ValidateRuntimeStateUpdate(updated, old); len(errs) == 0 || errs[0].Field != "spec.cluster" {
		t.Errorf("errors = %v, want one of spec.cluster", errs)
	}
}
