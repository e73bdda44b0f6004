// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployments

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/pm"
)

func TestColumns(t *testing.T) {
	condition := func(kind string, status metav1.ConditionStatus, message string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Message: message}
	}
	tests := map[string]struct {
		status pm.ClassDeploymentStatus
		want   map[string]any
	}{
		"a deployment that nobody has looked at": {
			want: map[string]any{"Phase": "", "Available": "Unknown", "Units": "0/0", "Environments": "", "Clusters": "", "Replicas": "", "Message": ""},
		},
		"units that left the plan do not count, but show where they still are": {
			status: pm.ClassDeploymentStatus{
				Phase:        pm.ClassDeploymentDeploying,
				Requirements: &pm.ComputedRequirements{MinReplicas: 2, MaxReplicas: 4},
				Conditions: []metav1.Condition{
					condition(pm.ClassDeploymentAvailable, metav1.ConditionFalse, "1 of 2 units serve"),
					condition(pm.ClassDeploymentPlanned, metav1.ConditionTrue, "planned"),
				},
				Units: []pm.DeploymentUnitStatus{
					{Cluster: "b", Environment: "edge", Planned: true, Available: true},
					{Cluster: "a", Environment: "edge", Planned: true},
					{Cluster: "c", Environment: "cloud", Available: true},
				},
			},
			want: map[string]any{
				"Phase": "Deploying", "Available": "False", "Units": "1/2", "Environments": "cloud,edge", "Clusters": "a,b,c",
				"Replicas": "2-4", "Message": "1 of 2 units serve",
			},
		},
		"the first step that failed explains the later ones": {
			status: pm.ClassDeploymentStatus{Conditions: []metav1.Condition{
				condition(pm.ClassDeploymentAvailable, metav1.ConditionFalse, "no unit serves"),
				condition(pm.ClassDeploymentPlanned, metav1.ConditionFalse, "no cluster"),
			}},
			want: map[string]any{"Phase": "", "Available": "False", "Units": "0/0", "Environments": "", "Clusters": "", "Replicas": "", "Message": "no cluster"},
		},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			d := &pm.ClassDeployment{Spec: pm.ClassDeploymentSpec{PackageName: "shop", ClassKey: "Cart"}, Status: test.status}
			got := map[string]any{}
			for _, column := range columns() {
				got[column.Name] = column.Cell(d)
			}
			test.want["Package"], test.want["Class"] = "shop", "Cart"
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("cells differ (-want +got):\n%s", diff)
			}
		})
	}
}
