// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crds_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	definitions "oaas.io/oaas/artifacts/crds"
	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/crds"
)

// TestTheAPIServerRefuses holds what the API server says of a bad object by itself,
// with none of our programs running: the field, and what would do.
func TestTheAPIServerRefuses(t *testing.T) {
	kube, err := cluster.Start(t.Context(), cluster.Options{Name: "crds"})
	if err != nil {
		t.Fatal("start cluster:", err)
	}
	t.Cleanup(func() {
		if err := kube.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error("stop cluster:", err)
		}
	})
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	api, err := client.New(kube.RESTConfig(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	if err := crds.Apply(t.Context(), api, definitions.Files); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		object client.Object
		want   []string // none for an object that is taken
	}{
		"a record": {record(func(*v1alpha1.DeploymentRecordSpec) {}), nil},
		"a record of another name than its unit": {
			record(func(s *v1alpha1.DeploymentRecordSpec) { s.DeploymentUnit.ID = "another" }),
			[]string{"metadata.name must be spec.deploymentUnit.id"},
		},
		"a record with fewer replicas at most than at least": {
			record(func(s *v1alpha1.DeploymentRecordSpec) {
				s.ResourceAllocation = v1alpha1.ResourceAllocation{MinReplicas: 3, MaxReplicas: 2}
			}),
			[]string{"spec.resourceAllocation", "minReplicas must not exceed maxReplicas"},
		},
		"a function with fewer replicas at most than at least": {
			record(func(s *v1alpha1.DeploymentRecordSpec) {
				s.FunctionContainers[0].MinReplicas, s.FunctionContainers[0].MaxReplicas = new(int32(3)), new(int32(2))
			}),
			[]string{"spec.functionContainers[0]", "minReplicas must not exceed maxReplicas"},
		},
		"a function that is stopped": {
			record(func(s *v1alpha1.DeploymentRecordSpec) {
				s.FunctionContainers[0].MinReplicas, s.FunctionContainers[0].MaxReplicas = new(int32(3)), new(int32(0))
			}), nil,
		},
		"a sampling rate above 1": {
			record(func(s *v1alpha1.DeploymentRecordSpec) { s.Telemetry = &v1alpha1.Telemetry{SamplingRate: "1.1"} }),
			[]string{"spec.telemetry.samplingRate"},
		},
		"a record of an environment that no configuration can be of": {
			record(func(s *v1alpha1.DeploymentRecordSpec) { s.TargetEnvironment = "a/b" }),
			[]string{"spec.targetEnvironment"},
		},
		"an availability in percent": {
			record(func(s *v1alpha1.DeploymentRecordSpec) { s.NFRRequirements.Availability = "99%" }),
			[]string{"spec.nfrRequirements.availability"},
		},
		"a size that takes forever to compare": {
			record(func(s *v1alpha1.DeploymentRecordSpec) {
				s.FunctionContainers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("9e2147483647")}
			}),
			[]string{"spec.functionContainers[0].resources.limits.cpu"},
		},
		"a kind of shards that nobody knows": {
			record(func(s *v1alpha1.DeploymentRecordSpec) { s.ODGMConfig = &v1alpha1.ODGMConfig{ShardType: "paxos"} }),
			[]string{"spec.odgmConfig.shardType", `"raft"`},
		},
		"a collection without a name": {
			record(func(s *v1alpha1.DeploymentRecordSpec) { s.ODGMConfig = &v1alpha1.ODGMConfig{Collections: []string{""}} }),
			[]string{"spec.odgmConfig.collections[0]"},
		},
		"a requirement that nobody enforces": {
			record(func(s *v1alpha1.DeploymentRecordSpec) {
				s.Enforcement = &v1alpha1.Enforcement{Dimensions: []string{"beauty"}}
			}),
			[]string{"spec.enforcement.dimensions[0]", `"throughput"`},
		},
		"a package whose name is a book": {
			record(func(s *v1alpha1.DeploymentRecordSpec) { s.DeploymentUnit.PackageName = strings.Repeat("a", 254) }),
			[]string{"spec.deploymentUnit.packageName"},
		},
		"a variable that no program could read": {
			record(func(s *v1alpha1.DeploymentRecordSpec) {
				s.FunctionContainers[0].Env = []v1alpha1.EnvVar{{Name: "A=B"}}
			}),
			[]string{"spec.functionContainers[0].env[0].name"},
		},
		"a secret variable that no program could read": {
			record(func(s *v1alpha1.DeploymentRecordSpec) {
				s.FunctionContainers[0].SecretEnv = []v1alpha1.SecretVariable{{Name: "Größe", SecretName: "a", Key: "b"}}
			}),
			[]string{"spec.functionContainers[0].secretEnv[0].name"},
		},
		"a probe of no path": {
			record(func(s *v1alpha1.DeploymentRecordSpec) {
				s.FunctionContainers[0].HealthCheck = &v1alpha1.HealthCheck{Readiness: &v1alpha1.HTTPProbe{Path: "ready"}}
			}),
			[]string{"spec.functionContainers[0].healthCheck.readiness.path"},
		},
		"more partitions than a node takes": {
			record(func(s *v1alpha1.DeploymentRecordSpec) { s.ODGMConfig = &v1alpha1.ODGMConfig{PartitionCount: 65537} }),
			[]string{"spec.odgmConfig.partitionCount", "65536"},
		},
		"a template with a grid beside replicas that have an identity": {template(v1alpha1.TemplateTypeStatefulSet, v1alpha1.ODGMSidecar), nil},
		"a template of its own kind with a grid beside replicas":       {template(v1alpha1.TemplateTypeCustom, v1alpha1.ODGMSidecar), nil},
		"a template with a grid of its own":                            {template(v1alpha1.TemplateTypeDeployment, v1alpha1.ODGMCluster), nil},
		"a template with a grid beside replicas that have no identity": {
			template(v1alpha1.TemplateTypeDeployment, v1alpha1.ODGMSidecar), []string{"spec.odgm", "use the type StatefulSet"},
		},
		"a template with latencies the wrong way round": {
			template(v1alpha1.TemplateTypeDeployment, "", func(s *v1alpha1.DeploymentTemplateSpec) {
				s.Capabilities.MinLatencyMs, s.Capabilities.MaxLatencyMs = new(int64(2)), new(int64(1))
			}),
			[]string{"spec.capabilities", "minLatencyMs must not exceed maxLatencyMs"},
		},
		"an environment whose name is none": {environment("a.b"), []string{"metadata.name is the environment's name"}},
		"an environment with two mappings": {
			environment("prod", func(s *v1alpha1.EnvironmentConfigSpec) {
				s.Namespaces = v1alpha1.NamespaceMapping{Fixed: "a", Prefix: "b-"}
			}),
			[]string{"spec.namespaces", "use either fixed, or prefix and suffix"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := api.Create(t.Context(), tc.object, client.DryRunAll)
			if len(tc.want) == 0 {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if !apierrors.IsInvalid(err) {
				t.Fatalf("error %v, want an invalid object", err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %q in it", err, want)
				}
			}
		})
	}
}

func record(change func(*v1alpha1.DeploymentRecordSpec)) *v1alpha1.DeploymentRecord {
	r := &v1alpha1.DeploymentRecord{
		ObjectMeta: metav1.ObjectMeta{Name: "cart", Namespace: corev1.NamespaceDefault},
		Spec: v1alpha1.DeploymentRecordSpec{
			DeploymentUnit:     v1alpha1.DeploymentUnit{ID: "cart", PackageName: "shop", ClassKey: "Cart"},
			TargetEnvironment:  "dev",
			FunctionContainers: []v1alpha1.FunctionContainer{{FunctionKey: "add", Image: "add:1"}},
		},
	}
	change(&r.Spec)
	return r
}

func template(kind v1alpha1.TemplateType, mode v1alpha1.ODGMMode, change ...func(*v1alpha1.DeploymentTemplateSpec)) *v1alpha1.DeploymentTemplate {
	made := &v1alpha1.DeploymentTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: "mine"},
		Spec: v1alpha1.DeploymentTemplateSpec{
			Type: kind, ODGM: v1alpha1.TemplateODGM{Mode: mode},
			Manifests: []v1alpha1.TemplateManifest{{Name: "one", Manifest: runtime.RawExtension{Raw: []byte(`{"apiVersion":"v1","kind":"ConfigMap"}`)}}},
		},
	}
	for _, c := range change {
		c(&made.Spec)
	}
	return made
}

func environment(name string, change ...func(*v1alpha1.EnvironmentConfigSpec)) *v1alpha1.EnvironmentConfig {
	made := &v1alpha1.EnvironmentConfig{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, c := range change {
		c(&made.Spec)
	}
	return made
}
