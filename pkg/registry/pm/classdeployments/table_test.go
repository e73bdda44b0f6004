// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployments

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

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

// A cell must be what JSON gives back: a copy of a table panics on anything else.
func TestTablesOfSubresourcesCanBeCopied(t *testing.T) {
	rendering := &pm.ClassDeploymentRendering{Units: []pm.RenderedUnit{{
		Environment: "prod", Cluster: "north", Template: "deployment", Manifests: []string{"kind: Deployment"},
	}}}
	plan := &pm.ClassDeploymentPlan{Plan: pm.Plan{Units: []pm.PlannedUnit{{
		Action: pm.PlanCreate, Environment: "prod", Cluster: "north", DeploymentID: "cart-1",
		Functions: []pm.PlannedFunction{{Key: "items", MinReplicas: 1, MaxReplicas: 2}},
	}}}}
	for sentence, test := range map[string]struct {
		convertor rest.TableConvertor
		object    runtime.Object
		want      []any
	}{
		"a rendering": {&RenderREST{}, rendering, []any{"prod", "north", "deployment", int64(1), ""}},
		"a plan":      {&PlanREST{}, plan, []any{"Create", "prod", "north", "cart-1", "items 1-2"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			table, err := test.convertor.ConvertToTable(t.Context(), test.object, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, table.DeepCopy().Rows[0].Cells); diff != "" {
				t.Errorf("cells (-want +got):\n%s", diff)
			}
		})
	}
}
