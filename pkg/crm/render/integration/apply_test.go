// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"oaas.io/oaas/artifacts/templates"
	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/drift"
	"oaas.io/oaas/pkg/crm/environment"
	"oaas.io/oaas/pkg/crm/nfr"
	"oaas.io/oaas/pkg/crm/render"
	"oaas.io/oaas/pkg/crm/template"
)

// TestObjectsAreTakenAsTheyAre applies what the built-in templates make, in
// namespaces that are restricted: the API server takes each object and the pods of
// each workload, and stores nothing that would be repaired for ever.
func TestObjectsAreTakenAsTheyAre(t *testing.T) {
	log.SetLogger(logr.Discard())
	kube, err := cluster.Start(t.Context(), cluster.Options{Name: "render"})
	if err != nil {
		t.Fatal("start cluster:", err)
	}
	t.Cleanup(func() {
		if err := kube.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error("stop cluster:", err)
		}
	})
	api := newClient(t, kube.RESTConfig())
	installKnative(t, api)
	for _, name := range []string{"deployment", "statefulset", "daemonset", "job", "knative"} {
		for state, class := range map[string]*v1alpha1.ClassState{"": nil, "-stateful": {Persistent: true}} {
			t.Run(name+state, func(t *testing.T) {
				namespace := name + state
				newRestrictedNamespace(t, api, namespace)
				rendering, err := render.Render(inputOf(t, name, namespace, class))
				if err != nil {
					t.Fatal(err)
				}
				pods := 0
				for _, object := range rendering.Objects {
					applied := object.Intent.DeepCopy()
					if err := api.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(applied), client.FieldOwner(v1alpha1.FieldManagerReconciler)); err != nil {
						t.Errorf("%s %s: %v", object.Intent.GetKind(), object.Intent.GetName(), err)
						continue
					}
					live := &unstructured.Unstructured{}
					live.SetGroupVersionKind(object.Intent.GroupVersionKind())
					if err := api.Get(t.Context(), client.ObjectKeyFromObject(object.Intent), live); err != nil {
						t.Fatal(err)
					}
					if path, found := drift.Find(object.Intent.Object, live.Object); found {
						t.Errorf("%s %s: %s is not stored as it was applied", object.Intent.GetKind(), object.Intent.GetName(), path)
					}
					if pod := podOf(t, object.Intent); pod != nil {
						pods++
						if err := api.Create(t.Context(), pod, client.DryRunAll); err != nil {
							t.Errorf("a pod of %s %s: %v", object.Intent.GetKind(), object.Intent.GetName(), err)
						}
					}
				}
				if pods < len(rendering.Functions) {
					t.Errorf("%d kinds of pods for %d functions", pods, len(rendering.Functions))
				}
			})
		}
	}
}

// inputOf is a record with everything that a template can show, in an environment
// with all settings.
func inputOf(t *testing.T, name, namespace string, state *v1alpha1.ClassState) render.Input {
	t.Helper()
	record := &v1alpha1.DeploymentRecord{
		ObjectMeta: metav1.ObjectMeta{Name: "shop-cart-dev", Namespace: namespace, UID: "7d5c7f4e-7a55-4d7c-8e9e-0d0f0c9a3c11"},
		Spec: v1alpha1.DeploymentRecordSpec{
			DeploymentUnit:     v1alpha1.DeploymentUnit{ID: "shop-cart-dev", PackageName: "shop", PackageVersion: "1.0.0", ClassKey: "Größe"},
			TargetEnvironment:  "prod",
			ResourceAllocation: v1alpha1.ResourceAllocation{MinReplicas: 2, MaxReplicas: 4, ReplicationFactor: 2},
			State:              state,
			FunctionContainers: []v1alpha1.FunctionContainer{
				{FunctionKey: "Cart.add", Image: "add:1", NeedHTTP2: true, SecretEnv: []v1alpha1.SecretVariable{{Name: "A", SecretName: "s", Key: "k"}}},
				{FunctionKey: "Files", Image: "files:1", VolumeMounts: []v1alpha1.VolumeMount{
					{Name: "odgm-data", MountPath: "/scratch", EmptyDir: &v1alpha1.EmptyVolume{Medium: corev1.StorageMediumMemory, SizeLimit: new(resource.MustParse("1Mi"))}},
					{Name: strings.Repeat("a", 50), MountPath: "/etc/app.yaml", SubPath: "app.yaml", ConfigMap: &v1alpha1.ObjectVolume{Name: "app", Optional: true}},
					{Name: "keys", MountPath: "/keys", ReadOnly: true, Secret: &v1alpha1.ObjectVolume{Name: "keys"}},
					{Name: "models", MountPath: "/models", ReadOnly: true, PersistentVolumeClaim: &v1alpha1.ClaimVolume{ClaimName: "models"}},
				}},
				{FunctionKey: "合計", Image: "total:1", HealthCheck: &v1alpha1.HealthCheck{Readiness: &v1alpha1.HTTPProbe{Path: "/ready"}}},
			},
		},
	}
	analysis, err := nfr.Analyze(&record.Spec)
	if err != nil {
		t.Fatal(err)
	}
	content, err := templates.Files.ReadFile(name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	object := &v1alpha1.DeploymentTemplate{}
	if err := yaml.UnmarshalStrict(content, object); err != nil {
		t.Fatal(err)
	}
	compiled, problems := template.Compile(name, &object.Spec)
	if len(problems) > 0 {
		t.Fatal(problems.ToAggregate())
	}
	return render.Input{
		Record: record, Template: compiled, Analysis: analysis, Features: template.Features{HPA: true},
		Environment: environment.Resolve("prod", &v1alpha1.EnvironmentConfig{Spec: v1alpha1.EnvironmentConfigSpec{
			Scheduling: v1alpha1.Scheduling{
				NodeSelector:     map[string]string{"pool": "functions"},
				Tolerations:      []corev1.Toleration{{Key: "functions", Operator: corev1.TolerationOpExists}},
				ImagePullSecrets: []string{"registry"},
			},
			NetworkPolicy: v1alpha1.NetworkPolicySettings{Enabled: true, AllowedNamespaces: []metav1.LabelSelector{{}, {MatchLabels: map[string]string{"a": "b"}}}},
			ODGM:          v1alpha1.EnvironmentODGM{Image: "odgm:1", Storage: &v1alpha1.ODGMStorage{}},
			Telemetry:     v1alpha1.EnvironmentTelemetry{Endpoint: "http://collector:4317"},
		}}, environment.Defaults{}),
	}
}
