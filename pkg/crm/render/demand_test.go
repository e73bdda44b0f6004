// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/environment"
)

// TestDemand holds that a record counts as what runs of it at most, data grids and
// what only a template says included.
func TestDemand(t *testing.T) {
	custom := func(text string) func(*Input) {
		return func(in *Input) {
			spec := &v1alpha1.DeploymentTemplateSpec{}
			if err := yaml.UnmarshalStrict([]byte(text), spec); err != nil {
				t.Fatal(err)
			}
			in.Template = compiled(t, "custom", spec)
		}
	}
	replicas := func(least, most int32) func(*v1alpha1.DeploymentRecord) {
		return func(r *v1alpha1.DeploymentRecord) {
			r.Spec.ResourceAllocation = v1alpha1.ResourceAllocation{MinReplicas: least, MaxReplicas: most}
		}
	}
	const ofCustom = `
type: Custom
capabilities: {serving: false}
manifests:
`
	tests := map[string]struct {
		record   *v1alpha1.DeploymentRecord
		template string
		change   func(*Input)
		want     v1alpha1.UsedQuotas
	}{
		"a function counts at its greatest number": {
			record: record(replicas(1, 4)), template: "deployment", want: used(4, "800m", "1Gi"),
		},
		"no more than the environment lets the template run": {
			record: record(replicas(1, 8)), template: "deployment", want: used(3, "600m", "768Mi"),
			change: func(in *Input) {
				in.Environment = environment.Resolve("dev", &v1alpha1.EnvironmentConfig{Spec: v1alpha1.EnvironmentConfigSpec{
					AllowedTemplates: []v1alpha1.AllowedTemplate{{Name: "deployment", MaxReplicas: 3}},
				}}, environment.Defaults{MaxReplicas: 20})
			},
		},
		"a size that only the template sets": {
			record: record(), template: "deployment", want: used(1, "2", "256Mi"),
			change: func(in *Input) {
				spec := in.Template.Spec.DeepCopy()
				spec.ResourceRequirements.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}
				in.Template = compiled(t, "deployment", spec)
			},
		},
		"nodes of a data grid of its own are replicas": {
			// Three of 200m and 256Mi, and three nodes of 200m and 512Mi.
			record: record(stateful), template: "deployment", change: production, want: used(6, "1200m", "2304Mi"),
		},
		"a data grid that grows counts as what it grows to": {
			record: record(stateful, func(r *v1alpha1.DeploymentRecord) {
				r.Spec.ResourceAllocation.ReplicationFactor = 5
				r.Status.ODGMClusterStatus = &v1alpha1.ODGMClusterStatus{Mode: v1alpha1.ODGMCluster, Nodes: 3, ReadyNodes: 3}
			}), template: "deployment", change: production, want: used(8, "1600m", "3328Mi"),
		},
		"and one that shrinks as what is still there": {
			record: record(stateful, func(r *v1alpha1.DeploymentRecord) {
				r.Status.ODGMClusterStatus = &v1alpha1.ODGMClusterStatus{Mode: v1alpha1.ODGMCluster, Nodes: 5, ReadyNodes: 5}
			}), template: "deployment", change: production, want: used(7, "1400m", "2816Mi"),
		},
		"nodes beside functions are no replicas and need room all the same": {
			record: record(stateful), template: "statefulset", change: production, want: used(3, "1200m", "2304Mi"),
		},
		"without an image there is no data grid": {
			record: record(stateful), template: "deployment", want: used(3, "600m", "768Mi"),
		},
		"a stopped function uses nothing": {
			record:   record(func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers[0].MaxReplicas = new(int32(0)) }),
			template: "deployment", want: used(0, "0", "0"),
		},
		"containers that a template puts into the pod": {
			record: record(replicas(2, 2)), template: "deployment", want: used(2, "1", "712Mi"),
			change: custom(ofCustom + `
- name: workload
  forEach: functions
  roles: [Workload]
  manifest:
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: "${ item.name }"}
    spec:
      selector: {matchLabels: "${ item.selector }"}
      template:
        metadata: {labels: {a: b}}
        spec:
          containers: "${ item.pod.spec.containers + [{'name': 'proxy', 'image': 'i', 'resources': {'requests': {'cpu': '300m'}, 'limits': {'cpu': '1', 'memory': '100Mi'}}}] }"
`),
		},
		"sizes that the API server would refuse count as the pod that was offered": {
			record: record(func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers[0].Env = nil }), template: "deployment", want: used(1, "200m", "256Mi"),
			change: custom(ofCustom + `
- name: workload
  forEach: functions
  roles: [Workload]
  manifest:
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: "${ item.name }"}
    spec:
      template: {spec: {containers: [{name: a, resources: {requests: {cpu: "-100", memory: "1e-2147483640"}}}]}}
`),
		},
		"what a template runs beside functions, as often as it says": {
			record: record(), template: "deployment", want: used(5, "2700m", "256Mi"),
			change: custom(ofCustom + `
- name: workload
  forEach: functions
  roles: [Workload]
  manifest:
    apiVersion: batch/v1
    kind: CronJob
    metadata: {name: "${ item.name }"}
    spec: {schedule: "@daily", jobTemplate: {spec: {template: "${ item.pod }"}}}
- name: cache
  manifest:
    apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: "${ childName(names.record, '-cache') }"}
    spec: {replicas: 3, template: {spec: {containers: [{name: a, image: i, resources: {requests: {cpu: 500m}}}]}}}
- name: once
  manifest:
    apiVersion: v1
    kind: Pod
    metadata: {name: "${ childName(names.record, '-once') }"}
    spec: {containers: [{name: a, image: i, resources: {requests: {cpu: 1}}}]}
`),
		},
		"a kind of its own counts as the pod that it was offered": {
			record: record(replicas(1, 2)), template: "deployment", want: used(2, "400m", "512Mi"),
			change: custom(ofCustom + `
- name: workload
  forEach: functions
  roles: [Workload]
  manifest:
    apiVersion: example.com/v1
    kind: Runner
    metadata: {name: "${ item.name }"}
    spec: {image: "${ item.pod.spec.containers[0].image }"}
`),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			in := input(t, tc.record, tc.template)
			if tc.change != nil {
				tc.change(&in)
			}
			if got := rendered(t, in).Demand; !equality.Semantic.DeepEqual(got, tc.want) {
				t.Errorf("demand = %d replicas, %s cores, %s (%d deployments), want %d, %s, %s", got.Replicas, got.CPU.String(), got.Memory.String(),
					got.Deployments, tc.want.Replicas, tc.want.CPU.String(), tc.want.Memory.String())
			}
		})
	}
}

func used(replicas int32, cpu, memory string) v1alpha1.UsedQuotas {
	return v1alpha1.UsedQuotas{Deployments: 1, Replicas: replicas, CPU: resource.MustParse(cpu), Memory: resource.MustParse(memory)}
}
