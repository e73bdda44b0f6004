// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/environment"
)

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
			own:    &v1alpha1.Telemetry{Enabled: new(false)},
			shared: v1alpha1.EnvironmentTelemetry{Endpoint: "http://c:4317"},
			want:   map[string]string{"OTEL_SDK_DISABLED": "true"}, absent: []string{"OTEL_TRACES_EXPORTER"},
		},
		"the record turns it on where nobody listens": {
			own:  &v1alpha1.Telemetry{Enabled: new(true), SamplingRate: "0.25"},
			want: map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none", "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"},
		},
		"the record's settings win one by one": {
			own: &v1alpha1.Telemetry{Logs: new(true), ServiceName: "cart"},
			shared: v1alpha1.EnvironmentTelemetry{Endpoint: "http://c:4318", Protocol: "http/protobuf", Telemetry: v1alpha1.Telemetry{
				Logs: new(false), Metrics: new(false), SamplingRate: "1", ServiceName: "shared",
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
			own: &v1alpha1.Telemetry{Enabled: new(true), ResourceAttributes: map[string]string{"a b": `x,y=z;"\%ä`, "service.namespace": "mine"}},
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
		LocalObjectReference: corev1.LocalObjectReference{Name: "db"}, Key: "password", Optional: new(true),
	}}}
	if diff := cmp.Diff(want, env["PASSWORD"]); diff != "" {
		t.Errorf("PASSWORD differs (-want +got):\n%s", diff)
	}
}

// reference is what the kubelet looks for in the value of a variable.
var reference = regexp.MustCompile(`\$\$|\$\(FUNCTION_KEY\)`)

// expand is what the kubelet makes of it.
func expand(found string) string {
	if found == "$$" {
		return "$"
	}
	return "the value of another variable"
}

// TestValuesArriveAsTheyAre: the kubelet takes $(X) for another variable and $$ for
// one $, and a value that is data must not change on its way.
func TestValuesArriveAsTheyAre(t *testing.T) {
	const text = "5$ or $$5 for $(FUNCTION_KEY)"
	env := envOf(t, input(t, record(func(r *v1alpha1.DeploymentRecord) {
		r.Spec.FunctionContainers[0].FunctionKey = text
		r.Spec.FunctionContainers[0].Env = []v1alpha1.EnvVar{{Name: "TEXT", Value: text}}
		r.Spec.Telemetry = &v1alpha1.Telemetry{Enabled: new(true), ServiceName: text}
	}), "deployment"))
	for _, name := range []string{"TEXT", "FUNCTION_KEY", "OTEL_SERVICE_NAME"} {
		if got := reference.ReplaceAllStringFunc(env[name].Value, expand); got != text {
			t.Errorf("%s arrives as %q, want %q", name, got, text)
		}
	}
}
