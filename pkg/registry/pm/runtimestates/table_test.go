// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package runtimestates

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/pm"
)

func TestColumns(t *testing.T) {
	cpu, memory := apiresource.MustParse("250m"), apiresource.MustParse("64Mi")
	spec := pm.RuntimeStateSpec{Cluster: "west", Environment: "prod", PackageName: "shop", ClassKey: "Cart"}
	ago := func(d time.Duration) *metav1.MicroTime { return &metav1.MicroTime{Time: time.Now().Add(-d)} }
	cases := map[string]struct {
		status pm.RuntimeStateStatus
		want   map[string]any
	}{
		"everything was measured": {
			status: pm.RuntimeStateStatus{
				Health: pm.RuntimeDegraded, StatusObservedAt: ago(time.Hour), MetricsObservedAt: ago(2 * time.Minute),
				Total: pm.RuntimeMetrics{
					CPU: &cpu, Memory: &memory, RequestsPerSecond: "12.5", ErrorRate: "0.0123", LatencyP95Ms: "7.25", Replicas: 3, ReadyReplicas: 2,
				},
			},
			want: map[string]any{
				"Cluster": "west", "Class": "shop.Cart", "Health": "Degraded", "Ready": "2/3", "RPS": "12.5", "Errors": "1.23%", "P95": "7.25ms",
				"CPU": "250m", "Memory": "64Mi", "Environment": "prod", "Observed": "2m",
			},
		},
		"what was not measured is empty, not zero": {
			want: map[string]any{
				"Cluster": "west", "Class": "shop.Cart", "Health": "Unknown", "Ready": "", "RPS": "", "Errors": "", "P95": "",
				"CPU": "", "Memory": "", "Environment": "prod", "Observed": "",
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := map[string]any{}
			for _, column := range columns() {
				got[column.Name] = column.Cell(&pm.RuntimeState{Spec: spec, Status: tc.status})
			}
			if age, ok := got["Observed"].(string); ok && len(age) > 2 {
				got["Observed"] = age[:2]
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("cells (-want +got):\n%s", diff)
			}
		})
	}
}
