// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// TestKnativeTakesTheBoundOfCalls holds the bound within what Knative takes without
// settings of its own.
func TestKnativeTakesTheBoundOfCalls(t *testing.T) {
	for asked, want := range map[int32]int64{0: 0, 10: 10, 1000: 1000, 5000: 1000} {
		r := record(func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers[0].MaxConcurrency = asked })
		service := rendered(t, input(t, r, "knative")).Objects[0].Intent
		if got, _, err := unstructured.NestedInt64(service.Object, "spec", "template", "spec", "containerConcurrency"); got != want || err != nil {
			t.Errorf("a bound of %d became %d (%v), want %d", asked, got, err, want)
		}
	}
}

// TestKnativeAsksInItsOwnTime: whoever calls a function at rest waits for the first
// probe that succeeds, and Knative asks more often than any period of Kubernetes.
func TestKnativeAsksInItsOwnTime(t *testing.T) {
	if probe := firstPod(t, "knative").Spec.Containers[0].ReadinessProbe; probe != nil {
		t.Errorf("calls wait for %+v", probe)
	}
	asked := func(r *v1alpha1.DeploymentRecord) {
		r.Spec.FunctionContainers[0].HealthCheck = &v1alpha1.HealthCheck{Readiness: &v1alpha1.HTTPProbe{Path: "/ready"}}
	}
	if probe := firstPod(t, "knative", asked).Spec.Containers[0].ReadinessProbe; probe == nil || probe.HTTPGet.Path != "/ready" {
		t.Errorf("the probe that was asked for became %+v", probe)
	}
}
