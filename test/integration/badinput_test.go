// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// Bad objects are refused with 422 and every fault at once, each with its field.
func TestBadInputIsRefusedWithAllErrors(t *testing.T) {
	namespace := newNamespace(t)
	client := hub.oaas.PmV1alpha1()
	ctx := t.Context()

	tests := map[string]struct {
		create func() error
		fields []string
	}{
		"a package with a fault in every part": {
			create: func() error {
				_, err := client.Packages(namespace).Create(ctx, &v1alpha1.Package{
					ObjectMeta: metav1.ObjectMeta{Name: "bad"},
					Spec: v1alpha1.PackageSpec{
						Version:      "not-a-version",
						Dependencies: []v1alpha1.PackageDependency{{Name: "Bad_Name", Version: ">>1"}},
						Classes: []v1alpha1.ClassDefinition{
							{Key: "A", FunctionBindings: []v1alpha1.FunctionBinding{{Name: "m", FunctionKey: "missing"}, {Name: "", FunctionKey: ""}}},
							{Key: "A"},
							{Key: "white space"},
						},
						Functions: []v1alpha1.FunctionDefinition{
							{Key: "f", Provision: &v1alpha1.FunctionProvision{
								Image: "UPPER/Case:tag", Port: 70000, MinScale: ptr.To[int32](3), MaxScale: ptr.To[int32](1),
								Resources: v1alpha1.FunctionResources{Requests: map[string]resource.Quantity{"cpu": resource.MustParse("-1")}},
							}},
							{Key: "f", Type: "Nonsense"},
						},
					},
				}, metav1.CreateOptions{})
				return err
			},
			fields: []string{
				"spec.version", "spec.dependencies[0].name", "spec.dependencies[0].version",
				"spec.classes[0].functionBindings[0].functionKey", "spec.classes[0].functionBindings[1].name",
				"spec.classes[1].key", "spec.classes[2].key",
				"spec.functions[0].provision.image", "spec.functions[0].provision.port", "spec.functions[0].provision.minScale",
				"spec.functions[0].provision.resources.requests[cpu]",
				"spec.functions[1].key", "spec.functions[1].type",
			},
		},
		"a class deployment with impossible requirements": {
			create: func() error {
				_, err := client.ClassDeployments(namespace).Create(ctx, &v1alpha1.ClassDeployment{
					ObjectMeta: metav1.ObjectMeta{Name: "bad"},
					Spec: v1alpha1.ClassDeploymentSpec{
						TargetEnvironments: []string{"Not_A_Label"},
						NFR:                v1alpha1.NFRRequirements{Availability: "2", CPUUtilizationTarget: ptr.To[int32](0), MaxLatencyMs: ptr.To[int64](-5)},
						Replicas:           &v1alpha1.ReplicaBounds{Min: ptr.To[int32](5), Max: ptr.To[int32](2)},
					},
				}, metav1.CreateOptions{})
				return err
			},
			fields: []string{
				"spec.packageName", "spec.classKey", "spec.targetEnvironments[0]", "spec.nfr.availability",
				"spec.nfr.cpuUtilizationTarget", "spec.nfr.maxLatencyMs", "spec.replicas.min",
			},
		},
		"a cluster that could not be reached": {
			create: func() error {
				_, err := client.Clusters().Create(ctx, &v1alpha1.Cluster{
					ObjectMeta: metav1.ObjectMeta{Name: "bad"},
					Spec: v1alpha1.ClusterSpec{
						Endpoint: "no-port",
						TLS:      &v1alpha1.ClusterTLS{CABundle: []byte("not PEM")},
						Auth:     &v1alpha1.ClusterAuth{Type: v1alpha1.ClusterAuthBearer},
					},
				}, metav1.CreateOptions{})
				return err
			},
			fields: []string{"spec.endpoint", "spec.tls.caBundle", "spec.auth.secretRef"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := test.create()
			if !apierrors.IsInvalid(err) {
				t.Fatalf("got %v, want 422 Invalid", err)
			}
			var status *apierrors.StatusError
			if !asStatus(err, &status) {
				t.Fatalf("%T carries no details", err)
			}
			var fields []string
			for _, cause := range status.ErrStatus.Details.Causes {
				fields = append(fields, cause.Field)
			}
			for _, want := range test.fields {
				if !slices.Contains(fields, want) {
					t.Errorf("nothing is said of %s; faults were told of\n  %s", want, strings.Join(fields, "\n  "))
				}
			}
		})
	}
}

// What the plugin refuses never reaches the server, and names file and line.
func TestPluginRefusesBrokenFiles(t *testing.T) {
	namespace := newNamespace(t)
	tests := map[string]struct{ input, wants string }{
		"broken YAML":          {"name: a\n  b: [", "standard input:2"},
		"an older format":      {"name: old\nfunctions:\n- name: f\n  provision:\n    knative:\n      image: x\n", "container_image"},
		"a kind of others":     {"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n", "kubectl apply"},
		"an unknown field":     {"name: a\nclasess: []\n", "classes"},
		"an impossible number": {"name: a\nfunctions: [{key: f, provision_config: {port: eighty}}]\n", "port"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := oaas(t, test.input, "deploy", "--strict", "-f", "-", "-n", namespace)
			if exitCode(r.err) == 0 {
				t.Fatalf("accepted:\n%s", r.stdout)
			}
			if !strings.Contains(r.stderr, test.wants) {
				t.Errorf("%q is missing in:\n%s", test.wants, r.stderr)
			}
		})
	}
	if output := mustKubectl(t, "", "get", "oaas", "-n", namespace, "-o", "name"); strings.Contains(output, "package") {
		t.Errorf("something was stored:\n%s", output)
	}
}
