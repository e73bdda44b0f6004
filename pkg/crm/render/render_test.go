// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

var update = flag.Bool("update", false, "rewrite the expected objects in testdata")

func record(change ...func(*v1alpha1.DeploymentRecord)) *v1alpha1.DeploymentRecord {
	r := &v1alpha1.DeploymentRecord{
		ObjectMeta: metav1.ObjectMeta{Name: "shop-cart-dev", Namespace: "team-a", UID: "3b1c"},
		Spec: v1alpha1.DeploymentRecordSpec{
			DeploymentUnit: v1alpha1.DeploymentUnit{
				ID: "shop-cart-dev", Namespace: "team-a", ClassDeployment: "cart",
				PackageName: "shop", PackageVersion: "1.0.0", ClassKey: "Cart",
			},
			TargetEnvironment:  "dev",
			FunctionContainers: []v1alpha1.FunctionContainer{{FunctionKey: "Cart.add", Image: "registry.example/cart:1"}},
		},
	}
	for _, c := range change {
		c(r)
	}
	return r
}

// TestRenderGolden compares with objects that were read by people once:
// go test ./pkg/crm/render -update.
func TestRenderGolden(t *testing.T) {
	cases := map[string]*v1alpha1.DeploymentRecord{
		"minimal": record(),
		"full": record(func(r *v1alpha1.DeploymentRecord) {
			r.Spec.NFRRequirements = v1alpha1.NFRRequirements{MinThroughputRPS: ptr.To[int64](500), MaxLatencyMs: ptr.To[int64](50)}
			r.Spec.ResourceAllocation = v1alpha1.ResourceAllocation{MinReplicas: 3, MaxReplicas: 6}
			r.Spec.FunctionContainers = []v1alpha1.FunctionContainer{{
				FunctionKey: "Cart.add", Image: "registry.example/cart:1", Port: 9000, NeedHTTP2: true,
				Env: []v1alpha1.EnvVar{{Name: "Z", Value: "last"}, {Name: "A", Value: "first"}, {Name: "FUNCTION_KEY", Value: "mine"}},
				Resources: v1alpha1.FunctionResources{
					Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2000m")},
				},
				HealthCheck: &v1alpha1.HealthCheck{
					Startup:   &v1alpha1.HTTPProbe{Path: "/startup", FailureThreshold: 30},
					Readiness: &v1alpha1.HTTPProbe{Path: "/ready", PeriodSeconds: 5},
					Liveness:  &v1alpha1.HTTPProbe{Path: "/live", InitialDelaySeconds: 3, TimeoutSeconds: 2},
				},
			}, {
				FunctionKey: "Cart.total", Image: "registry.example/total:1", MinReplicas: ptr.To[int32](1),
			}}
		}),
		"unicode-key": record(func(r *v1alpha1.DeploymentRecord) {
			r.Spec.DeploymentUnit.ClassKey = "Größe"
			r.Spec.FunctionContainers[0].FunctionKey = strings.Repeat("長い.", 50)
		}),
		"no-functions": record(func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers = nil }),
	}
	for name, r := range cases {
		t.Run(name, func(t *testing.T) {
			rendering, err := Render(Input{Record: r, MaxReplicas: 20})
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			for _, object := range rendering.Objects {
				document, err := yaml.Marshal(object.Intent.Object)
				if err != nil {
					t.Fatal(err)
				}
				got.WriteString("---\n")
				got.Write(document)
			}
			path := filepath.Join("testdata", name+".yaml")
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("objects differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReplicas(t *testing.T) {
	cases := map[string]struct {
		allocation v1alpha1.ResourceAllocation
		container  v1alpha1.FunctionContainer
		cap        int32
		want       int32
	}{
		"nothing asked for is one":                    {want: 1},
		"the record's minimum counts":                 {allocation: v1alpha1.ResourceAllocation{MinReplicas: 3}, want: 3},
		"the function's minimum wins":                 {allocation: v1alpha1.ResourceAllocation{MinReplicas: 3}, container: v1alpha1.FunctionContainer{MinReplicas: ptr.To[int32](2)}, want: 2},
		"the function's maximum bounds the record's":  {allocation: v1alpha1.ResourceAllocation{MinReplicas: 5}, container: v1alpha1.FunctionContainer{MaxReplicas: ptr.To[int32](4)}, want: 4},
		"the cluster's cap bounds everything":         {allocation: v1alpha1.ResourceAllocation{MinReplicas: 50}, cap: 20, want: 20},
		"a function whose maximum is zero is stopped": {allocation: v1alpha1.ResourceAllocation{MinReplicas: 3}, container: v1alpha1.FunctionContainer{MaxReplicas: ptr.To[int32](0)}, want: 0},
		"zero would never serve":                      {container: v1alpha1.FunctionContainer{MinReplicas: ptr.To[int32](0)}, want: 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := replicasOf(tc.allocation, &tc.container, tc.cap); got != tc.want {
				t.Errorf("replicas = %d, want %d", got, tc.want)
			}
		})
	}
}

func TestDefaultsNeverContradictTheUser(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := record()
		c := &r.Spec.FunctionContainers[0]
		if rapid.Bool().Draw(t, "hasRequest") {
			c.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: *resource.NewMilliQuantity(rapid.Int64Range(1, 900).Draw(t, "request"), resource.DecimalSI)}
		} else if rapid.Bool().Draw(t, "hasLimit") {
			c.Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: *resource.NewMilliQuantity(rapid.Int64Range(1, 900).Draw(t, "limit"), resource.DecimalSI)}
		}
		got := newFunction(Input{Record: r}, c).resources()
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
	got := newFunction(Input{Record: r}, &r.Spec.FunctionContainers[0]).resources()
	if got.Requests.Cpu().String() != "1m" {
		t.Errorf("cpu = %s, want 1m: the API server stores nothing finer, so 100u would be repaired for ever", got.Requests.Cpu())
	}
	for _, name := range []corev1.ResourceName{gpu, pages} {
		if request, limit := got.Requests[name], got.Limits[name]; request.Cmp(limit) != 0 {
			t.Errorf("%s: limit %s, want the request %s", name, limit.String(), request.String())
		}
	}
}

func TestUnknownTemplateIsRefused(t *testing.T) {
	_, err := Render(Input{Record: record(func(r *v1alpha1.DeploymentRecord) { r.Spec.SelectedTemplate = "knative" })})
	if err == nil || !strings.Contains(err.Error(), `"knative"`) {
		t.Errorf("err = %v, want one that names the template", err)
	}
}

func TestRenderIsStable(t *testing.T) {
	first, err := Render(Input{Record: record()})
	if err != nil {
		t.Fatal(err)
	}
	second, err := Render(Input{Record: record()})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("two renderings of one record differ:\n%s", diff)
	}
}
