// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/environment"
)

func TestSize(t *testing.T) {
	ceiling := func(allowed v1alpha1.AllowedTemplate) func(*Input) {
		return func(in *Input) {
			allowed.Name = "deployment"
			in.Environment = environment.Resolve("dev", &v1alpha1.EnvironmentConfig{
				Spec: v1alpha1.EnvironmentConfigSpec{AllowedTemplates: []v1alpha1.AllowedTemplate{allowed}},
			}, environment.Defaults{MaxReplicas: 20})
		}
	}
	replicas := func(least, most int32) func(*v1alpha1.DeploymentRecord) {
		return func(r *v1alpha1.DeploymentRecord) {
			r.Spec.ResourceAllocation = v1alpha1.ResourceAllocation{MinReplicas: least, MaxReplicas: most}
		}
	}
	cases := map[string]struct {
		record   *v1alpha1.DeploymentRecord
		change   func(*Input)
		replicas int64
		cpu      string
		warning  string
	}{
		"nothing asked for is one replica": {record(), ceiling(v1alpha1.AllowedTemplate{}), 1, "200m", ""},
		"the environment's ceiling bounds replicas, and says so": {
			record(replicas(5, 8)), ceiling(v1alpha1.AllowedTemplate{MaxReplicas: 3}), 3, "200m",
			`function "Cart.add": 5 to 8 replicas are asked for, and at most 3 allowed with template "deployment" in environment "dev"`,
		},
		"the program's cap bounds replicas, and says so": {
			record(replicas(30, 30)), ceiling(v1alpha1.AllowedTemplate{}), 20, "200m", "at most 20 allowed",
		},
		"the environment's ceiling bounds resources, and says so": {
			record(func(r *v1alpha1.DeploymentRecord) {
				r.Spec.FunctionContainers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("4")}
			}),
			ceiling(v1alpha1.AllowedTemplate{MaxResources: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}), 1, "1", "4 of cpu is asked for, and at most 1 allowed",
		},
		"a default above the ceiling is no reason to warn": {
			record(), ceiling(v1alpha1.AllowedTemplate{MaxResources: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}}), 1, "100m", "",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			rendering := rendered(t, input(t, tc.record, "deployment", tc.change))
			workload := rendering.Objects[0].Intent.Object
			if got, _, _ := unstructured.NestedInt64(workload, "spec", "replicas"); got != tc.replicas {
				t.Errorf("replicas = %d, want %d", got, tc.replicas)
			}
			containers, _, _ := unstructured.NestedSlice(workload, "spec", "template", "spec", "containers")
			if got, _, _ := unstructured.NestedString(containers[0].(map[string]any), "resources", "requests", "cpu"); got != tc.cpu {
				t.Errorf("cpu = %s, want %s", got, tc.cpu)
			}
			if got := strings.Join(rendering.Warnings, "; "); (tc.warning == "") != (got == "") || !strings.Contains(got, tc.warning) {
				t.Errorf("warnings = %q, want %q", got, tc.warning)
			}
		})
	}
}

func TestDefaultsNeverContradictTheUser(outer *testing.T) {
	rapid.Check(outer, func(t *rapid.T) {
		r := record()
		in := input(outer, r, "deployment")
		c := &r.Spec.FunctionContainers[0]
		if rapid.Bool().Draw(t, "hasRequest") {
			c.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: *resource.NewMilliQuantity(rapid.Int64Range(1, 900).Draw(t, "request"), resource.DecimalSI)}
		} else if rapid.Bool().Draw(t, "hasLimit") {
			c.Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: *resource.NewMilliQuantity(rapid.Int64Range(1, 900).Draw(t, "limit"), resource.DecimalSI)}
		}
		got := newFunction(&in, c).resources()
		if got.Requests.Cpu().Cmp(*got.Limits.Cpu()) > 0 {
			t.Fatalf("request %s exceeds limit %s", got.Requests.Cpu(), got.Limits.Cpu())
		}
		for name, want := range c.Resources.Requests {
			if have := got.Requests[name]; have.Cmp(want) != 0 {
				t.Fatalf("request %s became %s", want.String(), have.String())
			}
		}
	})
}

func TestResourcesAreWhatKubernetesStores(t *testing.T) {
	const gpu, pages = corev1.ResourceName("example.com/gpu"), corev1.ResourceName("hugepages-2Mi")
	r := record()
	r.Spec.FunctionContainers[0].Resources.Requests = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("100u"), gpu: resource.MustParse("2"), pages: resource.MustParse("4Mi"),
	}
	in := input(t, r, "deployment")
	got := newFunction(&in, &r.Spec.FunctionContainers[0]).resources()
	if got.Requests.Cpu().String() != "1m" {
		t.Errorf("cpu = %s, want 1m: the API server stores nothing finer, so 100u would be repaired for ever", got.Requests.Cpu())
	}
	for _, name := range []corev1.ResourceName{gpu, pages} {
		if request, limit := got.Requests[name], got.Limits[name]; request.Cmp(limit) != 0 {
			t.Errorf("%s: limit %s, want the request %s", name, limit.String(), request.String())
		}
	}
}
