// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package clusters

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/pm"
)

func TestColumns(t *testing.T) {
	tests := map[string]struct {
		cluster pm.Cluster
		want    map[string]any
	}{
		"a cluster that was not asked yet": {
			cluster: pm.Cluster{Spec: pm.ClusterSpec{Endpoint: "crm:8088"}},
			want: map[string]any{
				"Health": "Unknown", "Nodes": "0/0", "Region": "", "Environments": "any", "CRM Version": "", "Last Seen": "",
				"Endpoint": "crm:8088", "Availability": "", "Circuit": "",
			},
		},
		"a cluster that answers but takes nothing new": {
			cluster: pm.Cluster{
				Spec: pm.ClusterSpec{Endpoint: "crm:8088", Region: "eu", Environments: []string{"cloud", "edge"}, Unschedulable: true},
				Status: pm.ClusterStatus{
					Health: pm.ClusterDegraded, NodeCount: 3, ReadyNodes: 2, CRMVersion: "v0.1.0", Availability: "0.999",
					LastSeen:       new(metav1.NewTime(time.Now().Add(-90 * time.Minute))),
					CircuitBreaker: &pm.CircuitBreakerStatus{State: pm.CircuitHalfOpen},
				},
			},
			want: map[string]any{
				"Health": "Degraded,Unschedulable", "Nodes": "2/3", "Region": "eu", "Environments": "cloud,edge", "CRM Version": "v0.1.0",
				"Last Seen": "90m", "Endpoint": "crm:8088", "Availability": "0.999", "Circuit": "HalfOpen",
			},
		},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			got := map[string]any{}
			for _, column := range columns() {
				got[column.Name] = column.Cell(&test.cluster)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("cells differ (-want +got):\n%s", diff)
			}
		})
	}
}
