// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestFunctionsTellWhereTheyRun(t *testing.T) {
	kind := func(group, version, kind string) *Ref {
		return &Ref{GroupVersionKind: schema.GroupVersionKind{Group: group, Version: version, Kind: kind}, Name: "shop-cart-dev-cart-add-ratgwy3uq3"}
	}
	service := kind("", "v1", "Service")
	const key, name, url = "Cart.add", "shop-cart-dev-cart-add-ratgwy3uq3", "http://shop-cart-dev-cart-add-ratgwy3uq3.team-a.svc"
	cases := map[string]struct {
		template string
		change   []func(*Input)
		want     Function
	}{
		"a Deployment":                 {"deployment", nil, Function{Key: key, Name: name, Replicas: 3, MaxReplicas: 6, Workload: kind("apps", "v1", "Deployment"), Endpoint: service, URL: url + ":80"}},
		"a Deployment with autoscaler": {"deployment", []func(*Input){production}, Function{Key: key, Name: name, Replicas: 3, MaxReplicas: 6, Autoscaled: true, Workload: kind("apps", "v1", "Deployment"), Endpoint: service, URL: url + ":80"}},
		"a StatefulSet":                {"statefulset", nil, Function{Key: key, Name: name, Replicas: 3, MaxReplicas: 6, Workload: kind("apps", "v1", "StatefulSet"), Endpoint: service, URL: url + ":80"}},
		"a DaemonSet":                  {"daemonset", nil, Function{Key: key, Name: name, Workload: kind("apps", "v1", "DaemonSet"), Endpoint: service, URL: url + ":80"}},
		"a Job":                        {"job", nil, Function{Key: key, Name: name, Replicas: 3, MaxReplicas: 6, Workload: kind("batch", "v1", "Job")}},
		"a Knative Service":            {"knative", nil, Function{Key: key, Name: name, Replicas: 3, MaxReplicas: 6, Autoscaled: true, Workload: kind("serving.knative.dev", "v1", "Service"), Endpoint: kind("serving.knative.dev", "v1", "Service"), URL: url}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			rendering := rendered(t, input(t, record(full), tc.template, tc.change...))
			if diff := cmp.Diff(tc.want, rendering.Functions[0]); diff != "" {
				t.Errorf("function differs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAnAutoscalerIsTheOnlyOneToScale holds that the record does not fight it.
func TestAnAutoscalerIsTheOnlyOneToScale(t *testing.T) {
	in := input(t, record(full), "deployment", production)
	kinds := func() (scaled, scalers int) {
		for _, object := range rendered(t, in).Objects {
			if object.Intent.GetKind() == "Deployment" {
				if _, ok, _ := unstructured.NestedInt64(object.Intent.Object, "spec", "replicas"); ok {
					scaled++
				}
			}
			if object.Intent.GetKind() == "HorizontalPodAutoscaler" {
				scalers++
			}
		}
		return scaled, scalers
	}
	if scaled, scalers := kinds(); scaled != 0 || scalers != 2 {
		t.Errorf("%d Deployments set their replicas beside %d autoscalers, want 0 and 2", scaled, scalers)
	}
	in.Served = func(kind schema.GroupKind) bool { return kind.Group != "autoscaling" }
	if scaled, scalers := kinds(); scaled != 2 || scalers != 0 {
		t.Errorf("without the API, %d Deployments set their replicas beside %d autoscalers, want 2 and 0", scaled, scalers)
	}
}
