// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

func TestValidate(t *testing.T) {
	quantity := func(text string) *resource.Quantity { return new(resource.MustParse(text)) }
	cases := map[string]struct {
		change func(*v1alpha1.EnvironmentConfigSpec)
		want   []string
	}{
		"nothing set is fine": {change: func(*v1alpha1.EnvironmentConfigSpec) {}},
		"everything set is fine": {change: func(s *v1alpha1.EnvironmentConfigSpec) {
			s.Namespaces = v1alpha1.NamespaceMapping{Tenants: map[string]string{"shop": "store", "bank": "vault"}, Prefix: "prod-"}
			s.Quotas = v1alpha1.Quotas{CPU: quantity("10"), Memory: quantity("0")}
			s.AllowedTemplates = []v1alpha1.AllowedTemplate{{Name: "a.b", MaxResources: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("2"), "example.com/gpu": resource.MustParse("1"), "hugepages-2Mi": resource.MustParse("4Mi"),
			}}}
			s.ODGM.Image = "registry.example:5000/odgm:1.0@sha256:0123456789012345678901234567890123456789012345678901234567890123"
			s.ODGM.Resources = v1alpha1.FunctionResources{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
				Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
			}
			s.ODGM.Storage = &v1alpha1.ODGMStorage{ClassName: "fast", Size: quantity("1Gi")}
			s.Scheduling = v1alpha1.Scheduling{
				NodeSelector: map[string]string{"example.com/pool": "edge"},
				Tolerations: []corev1.Toleration{
					{Operator: corev1.TolerationOpExists}, {Key: "a", Value: "b", Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(1))},
				},
				ImagePullSecrets: []string{"pull"}, PriorityClassName: "high", RuntimeClassName: "kata",
			}
			s.NetworkPolicy.AllowedNamespaces = []metav1.LabelSelector{{MatchLabels: map[string]string{"team": "a"}}}
			s.Enforcement.Dimensions = []string{"cpu", "latency", "throughput"}
			s.Telemetry.Endpoint = "http://collector.monitoring:4317"
		}},
		"two tenants in one namespace": {
			change: func(s *v1alpha1.EnvironmentConfigSpec) {
				s.Namespaces.Tenants = map[string]string{"shop": "x", "bank": "x"}
			},
			want: []string{"spec.namespaces.tenants[shop]"},
		},
		"a tenant in the namespace of all others": {
			change: func(s *v1alpha1.EnvironmentConfigSpec) {
				s.Namespaces = v1alpha1.NamespaceMapping{Tenants: map[string]string{"shop": "all"}, Fixed: "all"}
			},
			want: []string{"spec.namespaces.tenants[shop]"},
		},
		"names that are no namespaces": {
			change: func(s *v1alpha1.EnvironmentConfigSpec) {
				s.Namespaces.Tenants = map[string]string{"Shop": "store", "bank": "a.b", "mill": ""}
			},
			want: []string{"spec.namespaces.tenants[Shop]", "spec.namespaces.tenants[bank]", "spec.namespaces.tenants[mill]"},
		},
		"namespaces of Kubernetes": {
			change: func(s *v1alpha1.EnvironmentConfigSpec) {
				s.Namespaces = v1alpha1.NamespaceMapping{Tenants: map[string]string{"shop": "kube-system"}, Fixed: "kube-public"}
			},
			want: []string{"spec.namespaces.tenants[shop]", "spec.namespaces.fixed"},
		},
		"a prefix of Kubernetes": {
			change: func(s *v1alpha1.EnvironmentConfigSpec) { s.Namespaces.Prefix = "kube-" },
			want:   []string{"spec.namespaces.prefix"},
		},
		"only tenants and none": {
			change: func(s *v1alpha1.EnvironmentConfigSpec) { s.Namespaces.OnlyTenants = true },
			want:   []string{"spec.namespaces.tenants"},
		},
		"negative quotas": {
			change: func(s *v1alpha1.EnvironmentConfigSpec) {
				s.Quotas = v1alpha1.Quotas{CPU: quantity("-1"), Memory: quantity("-1Gi")}
			},
			want: []string{"spec.quotas.cpu", "spec.quotas.memory"},
		},
		"resources that no container has": {
			change: func(s *v1alpha1.EnvironmentConfigSpec) {
				s.AllowedTemplates = []v1alpha1.AllowedTemplate{{Name: "a", MaxResources: corev1.ResourceList{"cpus": resource.MustParse("1"), "pods": resource.MustParse("1")}}}
				s.ODGM.Resources.Requests = corev1.ResourceList{"mem": resource.MustParse("1")}
			},
			want: []string{"spec.allowedTemplates[0].maxResources[cpus]", "spec.allowedTemplates[0].maxResources[pods]", "spec.odgm.resources.requests[mem]"},
		},
		"sizes that cannot be": {
			change: func(s *v1alpha1.EnvironmentConfigSpec) {
				s.AllowedTemplates = []v1alpha1.AllowedTemplate{{Name: "a", MaxResources: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("-1")}}}
				s.ODGM.Storage = &v1alpha1.ODGMStorage{Size: quantity("0")}
				s.ODGM.Resources = v1alpha1.FunctionResources{
					Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")},
					Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
				}
			},
			want: []string{"spec.allowedTemplates[0].maxResources[cpu]", "spec.odgm.resources.requests[cpu]", "spec.odgm.storage.size"},
		},
		"names that no object has": {
			change: func(s *v1alpha1.EnvironmentConfigSpec) {
				s.AllowedTemplates = []v1alpha1.AllowedTemplate{{Name: "A"}}
				s.ODGM.Storage = &v1alpha1.ODGMStorage{ClassName: "not valid"}
				s.Scheduling = v1alpha1.Scheduling{ImagePullSecrets: []string{"pull", "_"}, PriorityClassName: "High", RuntimeClassName: "-"}
			},
			want: []string{
				"spec.allowedTemplates[0].name", "spec.odgm.storage.className", "spec.scheduling.imagePullSecrets[1]",
				"spec.scheduling.priorityClassName", "spec.scheduling.runtimeClassName",
			},
		},
		"an image that is no reference": {
			change: func(s *v1alpha1.EnvironmentConfigSpec) { s.ODGM.Image = "odgm 1.0" },
			want:   []string{"spec.odgm.image"},
		},
		"labels that no node has": {
			change: func(s *v1alpha1.EnvironmentConfigSpec) {
				s.Scheduling.NodeSelector = map[string]string{"pool": "not valid"}
			},
			want: []string{"spec.scheduling.nodeSelector"},
		},
		"tolerations that Kubernetes refuses": {
			change: func(s *v1alpha1.EnvironmentConfigSpec) {
				s.Scheduling.Tolerations = []corev1.Toleration{
					{}, {Operator: corev1.TolerationOpExists, Value: "x"}, {Key: "a", Operator: "Is"}, {Key: "a", Effect: "Never"},
					{Key: "a", TolerationSeconds: new(int64(1))}, {Key: "not valid", Operator: corev1.TolerationOpExists},
				}
			},
			want: []string{
				"spec.scheduling.tolerations[0].key", "spec.scheduling.tolerations[1].value", "spec.scheduling.tolerations[2].operator",
				"spec.scheduling.tolerations[3].effect", "spec.scheduling.tolerations[4].tolerationSeconds", "spec.scheduling.tolerations[5].key",
			},
		},
		"a selector that selects nothing": {
			change: func(s *v1alpha1.EnvironmentConfigSpec) {
				s.NetworkPolicy.AllowedNamespaces = []metav1.LabelSelector{{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: metav1.LabelSelectorOpIn}}}}
			},
			want: []string{"spec.networkPolicy.allowedNamespaces[0].matchExpressions[0].values"},
		},
		"a dimension that is not enforced": {
			change: func(s *v1alpha1.EnvironmentConfigSpec) { s.Enforcement.Dimensions = []string{"cpu", "memory"} },
			want:   []string{"spec.enforcement.dimensions[1]"},
		},
		"an endpoint without a scheme": {
			change: func(s *v1alpha1.EnvironmentConfigSpec) { s.Telemetry.Endpoint = "collector:4317" },
			want:   []string{"spec.telemetry.endpoint"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, problem := range Validate(configure(tc.change)) {
				if problem.Detail == "" {
					t.Errorf("%s: no remedy in %q", problem.Field, problem)
				}
				got = append(got, problem.Field)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("fields with problems (-want +got):\n%s\n%v", diff, Validate(configure(tc.change)))
			}
		})
	}
}
