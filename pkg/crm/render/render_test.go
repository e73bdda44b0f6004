// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
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

func TestRenderIsStable(t *testing.T) {
	ignore := cmpopts.IgnoreUnexported(odgm.Grid{})
	for _, name := range []string{"deployment", "statefulset", "daemonset", "job", "knative"} {
		first, second := rendered(t, input(t, record(full, stateful), name, production)), rendered(t, input(t, record(full, stateful), name, production))
		if diff := cmp.Diff(first, second, ignore); diff != "" {
			t.Errorf("two renderings of one record with %s differ:\n%s", name, diff)
		}
	}
}

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

// envOf is the environment of the first function's container.
func envOf(t *testing.T, in Input) map[string]corev1.EnvVar {
	t.Helper()
	in.Record = in.Record.DeepCopy()
	env := map[string]corev1.EnvVar{}
	for _, variable := range newFunction(&in, &in.Record.Spec.FunctionContainers[0]).env() {
		env[variable.Name] = variable
	}
	return env
}

func TestTelemetry(t *testing.T) {
	environmentOf := func(telemetry v1alpha1.EnvironmentTelemetry) func(*Input) {
		return func(in *Input) {
			in.Environment = environment.Resolve("dev", &v1alpha1.EnvironmentConfig{
				Spec: v1alpha1.EnvironmentConfigSpec{Telemetry: telemetry},
			}, environment.Defaults{})
		}
	}
	cases := map[string]struct {
		own    *v1alpha1.Telemetry
		shared v1alpha1.EnvironmentTelemetry
		env    []v1alpha1.EnvVar
		want   map[string]string
		absent []string
	}{
		"nobody says anything": {absent: []string{"OTEL_SERVICE_NAME", "OTEL_SDK_DISABLED"}},
		"the environment exports everything": {
			shared: v1alpha1.EnvironmentTelemetry{Endpoint: "http://c:4317"},
			want: map[string]string{
				"OTEL_SERVICE_NAME": "Cart", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
				"OTEL_TRACES_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp",
			},
			absent: []string{"OTEL_TRACES_SAMPLER"},
		},
		"the record turns it off": {
			own:    &v1alpha1.Telemetry{Enabled: ptr.To(false)},
			shared: v1alpha1.EnvironmentTelemetry{Endpoint: "http://c:4317"},
			want:   map[string]string{"OTEL_SDK_DISABLED": "true"}, absent: []string{"OTEL_TRACES_EXPORTER"},
		},
		"the record turns it on where nobody listens": {
			own:  &v1alpha1.Telemetry{Enabled: ptr.To(true), SamplingRate: "0.25"},
			want: map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none", "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"},
		},
		"the record's settings win one by one": {
			own: &v1alpha1.Telemetry{Logs: ptr.To(true), ServiceName: "cart"},
			shared: v1alpha1.EnvironmentTelemetry{Endpoint: "http://c:4318", Protocol: "http/protobuf", Telemetry: v1alpha1.Telemetry{
				Logs: ptr.To(false), Metrics: ptr.To(false), SamplingRate: "1", ServiceName: "shared",
			}},
			want: map[string]string{
				"OTEL_SERVICE_NAME": "cart", "OTEL_LOGS_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "none", "OTEL_TRACES_EXPORTER": "otlp",
				"OTEL_TRACES_SAMPLER_ARG": "1", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
			},
		},
		"the function's own variables win": {
			shared: v1alpha1.EnvironmentTelemetry{Endpoint: "http://c:4317"},
			env:    []v1alpha1.EnvVar{{Name: "OTEL_SERVICE_NAME", Value: "mine"}},
			want:   map[string]string{"OTEL_SERVICE_NAME": "mine"},
		},
		"attributes are written in percent where they must": {
			own: &v1alpha1.Telemetry{Enabled: ptr.To(true), ResourceAttributes: map[string]string{"a b": `x,y=z;"\%ä`, "service.namespace": "mine"}},
			want: map[string]string{"OTEL_RESOURCE_ATTRIBUTES": `a%20b=x%2Cy%3Dz%3B%22%5C%25%C3%A4,deployment.environment.name=dev,oaas.class=Cart,` +
				`oaas.deployment.id=shop-cart-dev,oaas.function=Cart.add,service.namespace=mine,service.version=1.0.0`},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			env := envOf(t, input(t, record(func(r *v1alpha1.DeploymentRecord) {
				r.Spec.Telemetry = tc.own
				r.Spec.FunctionContainers[0].Env = tc.env
			}), "deployment", environmentOf(tc.shared)))
			for name, want := range tc.want {
				if got := env[name].Value; got != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
			for _, name := range tc.absent {
				if _, ok := env[name]; ok {
					t.Errorf("%s is set", name)
				}
			}
		})
	}
}

func TestSecretsAreReferredTo(t *testing.T) {
	env := envOf(t, input(t, record(func(r *v1alpha1.DeploymentRecord) {
		r.Spec.FunctionContainers[0].Env = []v1alpha1.EnvVar{{Name: "PASSWORD", Value: "in the open"}}
		r.Spec.FunctionContainers[0].SecretEnv = []v1alpha1.SecretVariable{{Name: "PASSWORD", SecretName: "db", Key: "password", Optional: true}}
	}), "deployment"))
	want := corev1.EnvVar{Name: "PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: "db"}, Key: "password", Optional: ptr.To(true),
	}}}
	if diff := cmp.Diff(want, env["PASSWORD"]); diff != "" {
		t.Errorf("PASSWORD differs (-want +got):\n%s", diff)
	}
}

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

// sixth is a template that nobody thought of when the program was written.
const sixth = `
type: Custom
capabilities: {serving: false}
manifests:
- name: settings
  keep: true
  manifest:
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: ${ childName(names.record, '-settings') }
      labels: {team: cart, app.kubernetes.io/managed-by: nobody}
    data:
      functions: "${ functions.map(f, f.key).join(',') }"
- name: cronjob
  forEach: functions
  roles: [Workload]
  manifest:
    apiVersion: batch/v1
    kind: CronJob
    metadata:
      name: ${ item.name }
    spec:
      schedule: ${ record.annotations[?'example.com/schedule'].orValue('@daily') }
      jobTemplate:
        spec:
          template: "${ merge(item.pod, {'spec': {'restartPolicy': 'OnFailure'}}) }"
- name: monitor
  optional: true
  manifest:
    apiVersion: monitoring.coreos.com/v1
    kind: PodMonitor
    metadata: {name: "${ names.record }"}
    spec: {selector: {matchLabels: "${ record.selector }"}}
`

func TestASixthTemplate(t *testing.T) {
	spec := &v1alpha1.DeploymentTemplateSpec{}
	if err := yaml.UnmarshalStrict([]byte(sixth), spec); err != nil {
		t.Fatal(err)
	}
	in := input(t, record(func(r *v1alpha1.DeploymentRecord) {
		r.Annotations = map[string]string{"example.com/schedule": "@hourly"}
	}), "deployment")
	in.Template = compiled(t, "scheduled", spec)
	in.Served = func(kind schema.GroupKind) bool { return kind.Kind != "PodMonitor" }
	rendering := rendered(t, in)

	if len(rendering.Objects) != 2 || len(rendering.Missing) != 1 || rendering.Missing[0].Kind != "PodMonitor" {
		t.Fatalf("%d objects, missing %v, want 2 and PodMonitor", len(rendering.Objects), rendering.Missing)
	}
	settings, job := rendering.Objects[0], rendering.Objects[1]
	if !settings.Keep || settings.Function != "" || settings.Intent.GetLabels()["team"] != "cart" {
		t.Errorf("settings = %+v", settings)
	}
	if job.Function != "Cart.add" || rendering.Functions[0].Workload.Kind != "CronJob" || rendering.Functions[0].URL != "" {
		t.Errorf("function = %+v of object %+v", rendering.Functions[0], job)
	}
	if got, _, _ := unstructured.NestedString(job.Intent.Object, "spec", "schedule"); got != "@hourly" {
		t.Errorf("schedule = %q", got)
	}
	pod, _, _ := unstructured.NestedMap(job.Intent.Object, "spec", "jobTemplate", "spec", "template", "spec")
	if pod["restartPolicy"] != "OnFailure" || len(pod["containers"].([]any)) != 1 {
		t.Errorf("pod = %v", pod)
	}
	for _, object := range rendering.Objects {
		labels, owners := object.Intent.GetLabels(), object.Intent.GetOwnerReferences()
		if object.Intent.GetNamespace() != "team-a" || len(owners) != 1 || owners[0].Name != "shop-cart-dev" ||
			labels[v1alpha1.LabelManagedBy] != v1alpha1.FieldManagerReconciler || labels[v1alpha1.LabelTemplate] != "scheduled" ||
			object.Intent.GetAnnotations()[v1alpha1.AnnotationSpecHash] == "" {
			t.Errorf("%s is not the record's own: %v %v", object.Intent.GetKind(), labels, owners)
		}
	}
}

// TestASidecarGridGrowsStepByStep holds that a grid that agrees on writes is never
// changed by more than one node at a time.
func TestASidecarGridGrowsStepByStep(t *testing.T) {
	r := record(stateful)
	in := input(t, r, "statefulset", production)
	grid := rendered(t, in).Grid
	if grid == nil || grid.Nodes != 3 {
		t.Fatalf("grid = %+v, want 3 nodes", grid)
	}
	status := grid.Status()
	status.ReadyNodes = 3
	r.Status.ODGMClusterStatus = &status
	r.Status.FunctionContainerStatus = []v1alpha1.FunctionContainerStatus{{FunctionKey: "Cart.add", Replicas: 3, ReadyReplicas: 3}}
	r.Spec.ResourceAllocation = v1alpha1.ResourceAllocation{MinReplicas: 6, MaxReplicas: 6, ReplicationFactor: 3}
	in = input(t, r, "statefulset", production)
	if rendering := rendered(t, in); rendering.Functions[0].Replicas != 4 || rendering.Grid.Nodes != 4 || len(rendering.Warnings) != 1 {
		t.Errorf("replicas = %d, nodes = %d, warnings = %v, want one step to 4", rendering.Functions[0].Replicas, rendering.Grid.Nodes, rendering.Warnings)
	}
	status.ReadyNodes = 2
	if rendering := rendered(t, in); rendering.Functions[0].Replicas != 3 {
		t.Errorf("replicas = %d while a node is not ready, want 3", rendering.Functions[0].Replicas)
	}
}

// TestNamesOfAnyKeys renders records with any keys, and holds that every object has
// a valid name that no other has.
func TestNamesOfAnyKeys(t *testing.T) {
	builtIns := map[string]*template.Template{}
	for _, name := range []string{"deployment", "statefulset", "daemonset", "job", "knative"} {
		builtIns[name] = builtIn(t, name)
	}
	base := input(t, record(stateful), "deployment", production)
	key := rapid.Custom(func(t *rapid.T) string {
		text := []rune(rapid.OneOf(rapid.StringN(1, 200, -1), rapid.StringMatching(`[a-zA-Z0-9._-]{1,200}`)).Draw(t, "text"))
		return string(text[:min(len(text), 200)])
	})
	rapid.Check(t, func(t *rapid.T) {
		r := record(stateful)
		r.Name = rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`).Draw(t, "id")
		r.Spec.DeploymentUnit.ClassKey = key.Draw(t, "class")
		r.Spec.FunctionContainers = nil
		for i, key := range rapid.SliceOfNDistinct(key, 1, 4, rapid.ID).Draw(t, "functions") {
			r.Spec.FunctionContainers = append(r.Spec.FunctionContainers, v1alpha1.FunctionContainer{FunctionKey: key, Image: "i", MinReplicas: ptr.To(int32(i + 1))})
		}
		in := base
		in.Record, in.Template = r, builtIns[rapid.SampledFrom(slices.Sorted(maps.Keys(builtIns))).Draw(t, "template")]
		rendering, err := Render(in)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Render(in)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for i, object := range rendering.Objects {
			name, kind := object.Intent.GetName(), object.Intent.GroupVersionKind()
			if problems := validation.IsDNS1035Label(name); len(problems) > 0 {
				t.Fatalf("%s %q: %v", kind.Kind, name, problems)
			}
			if kind.Kind == "StatefulSet" && len(name) > 52 {
				t.Fatalf("the pods of StatefulSet %q have a label of more than 63 characters", name)
			}
			if id := kind.GroupKind().String() + "/" + name; seen[id] {
				t.Fatalf("%s %q is there twice", kind.Kind, name)
			} else {
				seen[id] = true
			}
			if name != again.Objects[i].Intent.GetName() {
				t.Fatalf("%s is called %q, and then %q", kind.Kind, name, again.Objects[i].Intent.GetName())
			}
			for label, value := range object.Intent.GetLabels() {
				if problems := validation.IsValidLabelValue(value); len(problems) > 0 {
					t.Fatalf("label %s=%q: %v", label, value, problems)
				}
			}
		}
	})
}

func BenchmarkRender(b *testing.B) {
	in := input(b, record(full), "deployment", production)
	for b.Loop() {
		if _, err := Render(in); err != nil {
			b.Fatal(err)
		}
	}
}
