// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

func compareGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("differs from %s (-want +got), run with -update when it should:\n%s", path, diff)
	}
}

// created is when all objects of the tests were made.
var created = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// deployment builds a ClassDeployment step by step.
type deployment struct{ pmv1alpha1.ClassDeployment }

func makeDeployment(name string) *deployment {
	d := &deployment{}
	d.TypeMeta = metav1.TypeMeta{APIVersion: pmv1alpha1.SchemeGroupVersion.String(), Kind: "ClassDeployment"}
	d.Name, d.Namespace, d.UID = name, "default", types.UID(name)
	d.Generation, d.Status.ObservedGeneration = 2, 2
	d.CreationTimestamp = metav1.NewTime(created)
	d.Spec.PackageName, d.Spec.ClassKey = "shop", "Cart"
	return d
}

func (d *deployment) observed(generation int64) *deployment {
	d.Status.ObservedGeneration = generation
	return d
}

func (d *deployment) phase(phase pmv1alpha1.ClassDeploymentPhase) *deployment {
	d.Status.Phase = phase
	return d
}

func (d *deployment) condition(conditionType string, status metav1.ConditionStatus, reason, message string) *deployment {
	d.Status.Conditions = append(d.Status.Conditions, metav1.Condition{
		Type: conditionType, Status: status, Reason: reason, Message: message, ObservedGeneration: d.Status.ObservedGeneration,
	})
	return d
}

func (d *deployment) unit(unit pmv1alpha1.DeploymentUnitStatus) *deployment {
	if unit.DeploymentID == "" {
		unit.DeploymentID = "default-" + d.Name + "-dev"
	}
	d.Status.Units = append(d.Status.Units, unit)
	return d
}

func (d *deployment) deleting() *deployment {
	d.DeletionTimestamp = &metav1.Time{Time: created}
	return d
}

func (d *deployment) obj() *pmv1alpha1.ClassDeployment { return &d.ClassDeployment }

func (d *deployment) unstructured(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	return toUnstructured(t, &d.ClassDeployment)
}

func toUnstructured(t *testing.T, object any) *unstructured.Unstructured {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: content}
}

func readyUnit(cluster string) pmv1alpha1.DeploymentUnitStatus {
	return pmv1alpha1.DeploymentUnitStatus{
		Cluster: cluster, Environment: "dev", Planned: true, Available: true, Condition: "Running", Phase: "Ready",
		Functions: []pmv1alpha1.FunctionStatus{{Key: "Cart.add", Replicas: 2, ReadyReplicas: 2, URL: "http://cart.default.svc:80"}},
	}
}

func startingUnit(cluster, message string) pmv1alpha1.DeploymentUnitStatus {
	return pmv1alpha1.DeploymentUnitStatus{
		Cluster: cluster, Environment: "dev", Planned: true, Condition: "Provisioning", Phase: "PodScheduling", Message: message,
		Functions: []pmv1alpha1.FunctionStatus{{Key: "Cart.add", Replicas: 2, ReadyReplicas: 1}},
	}
}

func brokenUnit(cluster, message string) pmv1alpha1.DeploymentUnitStatus {
	unit := startingUnit(cluster, message)
	unit.Condition, unit.Degraded = "Failed", true
	return unit
}

func makePackage(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	return toUnstructured(t, &pmv1alpha1.Package{
		TypeMeta: metav1.TypeMeta{APIVersion: pmv1alpha1.SchemeGroupVersion.String(), Kind: "Package"},
		ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: "default", CreationTimestamp: metav1.NewTime(created),
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: FieldManager}}},
		Spec: pmv1alpha1.PackageSpec{
			Version: "1.0", Author: "Ada", Tags: []string{"retail", "demo"},
			Dependencies: []pmv1alpha1.PackageDependency{{Name: "images", Version: "^1"}},
			Classes:      []pmv1alpha1.ClassDefinition{{Key: "Cart"}, {Key: "Order"}},
			Functions:    []pmv1alpha1.FunctionDefinition{{Key: "Cart.add"}},
		},
		Status: pmv1alpha1.PackageStatus{
			Conditions: []metav1.Condition{{Type: "Ready", Status: "True", Reason: "Published", Message: "the classes of the package can be deployed"}},
			Dependents: []pmv1alpha1.PackageDependent{{Name: "web", Version: ">=1", Functions: []string{"Cart.add"}, FunctionCount: 3}},
		},
	})
}

// output runs a function that writes, for comparison with a golden file.
func output(t *testing.T, write func(*bytes.Buffer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
