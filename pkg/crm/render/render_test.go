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
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"oaas.io/oaas/artifacts/templates"
	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/environment"
	"oaas.io/oaas/pkg/crm/nfr"
	"oaas.io/oaas/pkg/crm/odgm"
	"oaas.io/oaas/pkg/crm/template"
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

// builtIn compiles a built-in template.
func builtIn(tb testing.TB, name string) *template.Template {
	tb.Helper()
	content, err := templates.Files.ReadFile(name + ".yaml")
	if err != nil {
		tb.Fatal(err)
	}
	object := &v1alpha1.DeploymentTemplate{}
	if err := yaml.UnmarshalStrict(content, object); err != nil {
		tb.Fatal(err)
	}
	if object.Name != name {
		tb.Fatalf("template of %s.yaml is called %q", name, object.Name)
	}
	return compiled(tb, name, &object.Spec)
}

func compiled(tb testing.TB, name string, spec *v1alpha1.DeploymentTemplateSpec) *template.Template {
	tb.Helper()
	made, problems := template.Compile(name, spec)
	if len(problems) > 0 {
		tb.Fatal(problems.ToAggregate())
	}
	return made
}

// input renders a record with a built-in template in an environment without any
// settings.
func input(tb testing.TB, r *v1alpha1.DeploymentRecord, name string, change ...func(*Input)) Input {
	tb.Helper()
	analysis, err := nfr.Analyze(&r.Spec)
	if err != nil {
		tb.Fatal(err)
	}
	in := Input{
		Record: r, Template: builtIn(tb, name), Analysis: analysis,
		Environment: environment.Resolve(r.Spec.TargetEnvironment, nil, environment.Defaults{MaxReplicas: 20}),
	}
	for _, c := range change {
		c(&in)
	}
	return in
}

func rendered(tb testing.TB, in Input) *Rendering {
	tb.Helper()
	rendering, err := Render(in)
	if err != nil {
		tb.Fatal(err)
	}
	return rendering
}

func full(r *v1alpha1.DeploymentRecord) {
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
}

// stateful records have a data grid where an image is configured.
func stateful(r *v1alpha1.DeploymentRecord) {
	r.Spec.State = &v1alpha1.ClassState{Persistent: true, ConsistencyModel: v1alpha1.ConsistencyStrong}
	r.Spec.ResourceAllocation = v1alpha1.ResourceAllocation{MinReplicas: 3, MaxReplicas: 3, ReplicationFactor: 3}
	r.Spec.FunctionContainers[0].MaxConcurrency = 10
}

// production is an environment with everything that reaches pods.
func production(in *Input) {
	in.Features = template.Features{HPA: true, Knative: true}
	in.Environment = environment.Resolve("prod", &v1alpha1.EnvironmentConfig{Spec: v1alpha1.EnvironmentConfigSpec{
		Scheduling: v1alpha1.Scheduling{
			NodeSelector:      map[string]string{"pool": "functions"},
			Tolerations:       []corev1.Toleration{{Key: "functions", Operator: corev1.TolerationOpExists}},
			ImagePullSecrets:  []string{"registry"},
			PriorityClassName: "functions",
			RuntimeClassName:  "sandbox",
		},
		NetworkPolicy: v1alpha1.NetworkPolicySettings{
			Enabled:           true,
			AllowedNamespaces: []metav1.LabelSelector{{MatchLabels: map[string]string{"team": "gateway"}}},
		},
		ODGM:      v1alpha1.EnvironmentODGM{Image: "registry.example/odgm:1", Storage: &v1alpha1.ODGMStorage{}},
		Telemetry: v1alpha1.EnvironmentTelemetry{Endpoint: "http://collector.monitoring:4317"},
	}}, environment.Defaults{MaxReplicas: 20})
}

// TestRenderGolden compares with objects that were read by people once:
// go test ./pkg/crm/render -update.
func TestRenderGolden(t *testing.T) {
	cases := map[string]Input{
		"minimal": input(t, record(), "deployment"),
		"full":    input(t, record(full), "deployment"),
		"unicode-key": input(t, record(func(r *v1alpha1.DeploymentRecord) {
			r.Spec.DeploymentUnit.ClassKey = "Größe"
			r.Spec.FunctionContainers[0].FunctionKey = strings.Repeat("長い.", 50)
		}), "deployment"),
		"no-functions":          input(t, record(func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers = nil }), "deployment"),
		"deployment-production": input(t, record(full), "deployment", production),
		"deployment-stateful":   input(t, record(stateful), "deployment", production),
		"statefulset":           input(t, record(full), "statefulset"),
		"statefulset-stateful":  input(t, record(stateful), "statefulset", production),
		"daemonset":             input(t, record(full), "daemonset"),
		"daemonset-production":  input(t, record(full), "daemonset", production),
		"job":                   input(t, record(full), "job", production),
		"knative":               input(t, record(full), "knative"),
		"knative-production":    input(t, record(stateful), "knative", production),
	}
	for name, in := range cases {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			for _, object := range rendered(t, in).Objects {
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

func TestRenderIsStable(t *testing.T) {
	ignore := cmpopts.IgnoreUnexported(odgm.Grid{})
	for _, name := range []string{"deployment", "statefulset", "daemonset", "job", "knative"} {
		first, second := rendered(t, input(t, record(full, stateful), name, production)), rendered(t, input(t, record(full, stateful), name, production))
		if diff := cmp.Diff(first, second, ignore); diff != "" {
			t.Errorf("two renderings of one record with %s differ:\n%s", name, diff)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	in := input(b, record(full), "deployment", production)
	for b.Loop() {
		if _, err := Render(in); err != nil {
			b.Fatal(err)
		}
	}
}
