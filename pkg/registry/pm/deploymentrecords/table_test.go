// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecords

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

func TestColumns(t *testing.T) {
	tests := map[string]struct {
		record pm.DeploymentRecord
		want   map[string]any
	}{
		"a record that its cluster has not looked at yet": {
			record: pm.DeploymentRecord{Spec: pm.DeploymentRecordSpec{
				Cluster: "eu", Environment: "cloud", PackageName: "store", ClassKey: "Cart", ClassDeployment: "cart",
			}},
			want: map[string]any{
				"Cluster": "eu", "Environment": "cloud", "Class": "store.Cart", "Condition": "", "Phase": "", "Ready": "", "Stale": false,
				"Class Deployment": "cart", "Template": "", "Message": "",
			},
		},
		"a record of several functions on a cluster that is away": {
			record: pm.DeploymentRecord{
				Spec: pm.DeploymentRecordSpec{Cluster: "eu", Environment: "edge", PackageName: "store", ClassKey: "Cart", ClassDeployment: "cart"},
				Status: pm.DeploymentRecordStatus{
					Stale: true, Condition: "Provisioning", Phase: "PodScheduling", Message: "no node has room", SelectedTemplate: "small",
					Functions: []pm.FunctionStatus{{Key: "add", Replicas: 3, ReadyReplicas: 1}, {Key: "remove", Replicas: 2, ReadyReplicas: 2}},
				},
			},
			want: map[string]any{
				"Cluster": "eu", "Environment": "edge", "Class": "store.Cart", "Condition": "Provisioning", "Phase": "PodScheduling",
				"Ready": "3/5", "Stale": true, "Class Deployment": "cart", "Template": "small", "Message": "no node has room",
			},
		},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			got := map[string]any{}
			for _, column := range columns() {
				got[column.Name] = column.Cell(&test.record)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("cells differ (-want +got):\n%s", diff)
			}
		})
	}
	wide := 0
	for _, column := range columns() {
		if column.Priority == stored.Wide {
			wide++
		}
	}
	if wide != 3 {
		t.Errorf("%d columns are for wide tables, want class deployment, template and message", wide)
	}
}

func TestEverySelectableFieldHasItsValue(t *testing.T) {
	values := selectableFields(&pm.DeploymentRecord{
		Spec: pm.DeploymentRecordSpec{
			Cluster: "spec.cluster", Environment: "spec.environment", PackageName: "spec.packageName",
			ClassKey: "spec.classKey", ClassDeployment: "spec.classDeployment",
		},
		Status: pm.DeploymentRecordStatus{Condition: "status.condition"},
	})
	for _, field := range described().Fields {
		if values[field] != field {
			t.Errorf("%s is %q", field, values[field])
		}
	}
	if len(values) != len(described().Fields) {
		t.Errorf("values are %v, want those of %v", values, described().Fields)
	}
}
