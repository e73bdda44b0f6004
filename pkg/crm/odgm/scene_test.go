// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm_test

import (
	"maps"
	"regexp"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/odgm"
)

// tb is a test or a property.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// input is a class with state in mode Cluster, changed as told.
func input(change ...func(*odgm.Input)) odgm.Input {
	in := odgm.Input{
		Record: &v1alpha1.DeploymentRecord{
			ObjectMeta: metav1.ObjectMeta{Name: "shop-cart-dev", Namespace: "team-a", UID: "3b1c"},
			Spec: v1alpha1.DeploymentRecordSpec{
				DeploymentUnit:     v1alpha1.DeploymentUnit{ID: "shop-cart-dev", PackageName: "shop", ClassKey: "Cart"},
				TargetEnvironment:  "dev",
				FunctionContainers: []v1alpha1.FunctionContainer{{FunctionKey: "add", Image: "cart:1"}},
				State:              &v1alpha1.ClassState{},
				Bindings:           []v1alpha1.MethodBinding{{Name: "add", FunctionKey: "add"}},
			},
		},
		Mode:      v1alpha1.ODGMCluster,
		Image:     "odgm:1",
		Functions: []odgm.Function{{Key: "add", Name: "cart-add", URL: "http://cart-add.team-a.svc:80", Port: 8080, Replicas: 1}},
	}
	for _, c := range change {
		c(&in)
	}
	return in
}

func mustPlan(t tb, in odgm.Input) *odgm.Grid {
	t.Helper()
	grid, err := odgm.Plan(in)
	if err != nil {
		t.Fatal(err)
	}
	if grid == nil {
		t.Fatalf("no grid: %s", odgm.Absent(in))
	}
	return grid
}

func objectOf[T any](t tb, grid *odgm.Grid) T {
	t.Helper()
	var found []T
	for _, object := range grid.Objects() {
		if typed, ok := object.(T); ok {
			found = append(found, typed)
		}
	}
	if len(found) == 0 {
		t.Fatalf("the grid has no %T", *new(T))
	}
	return found[len(found)-1]
}

func hasObject[T any](grid *odgm.Grid) bool {
	for _, object := range grid.Objects() {
		if _, ok := object.(T); ok {
			return true
		}
	}
	return false
}

// reference is what the kubelet looks for in a variable's value.
var reference = regexp.MustCompile(`\$\$|\$\([A-Za-z_][A-Za-z0-9_]*\)`)

// started is the environment of a container as the kubelet makes it in the pod with
// an ordinal.
func started(container corev1.Container, ordinal int) map[string]string {
	values := map[string]string{}
	for _, variable := range container.Env {
		if from := variable.ValueFrom; from != nil {
			values[variable.Name] = map[string]string{
				"status.podIP": "10.0.0.7",
				"metadata.labels['" + appsv1.PodIndexLabel + "']": strconv.Itoa(ordinal),
			}[from.FieldRef.FieldPath]
			continue
		}
		earlier := maps.Clone(values)
		values[variable.Name] = reference.ReplaceAllStringFunc(variable.Value, func(found string) string {
			if found == "$$" {
				return "$"
			}
			if value, ok := earlier[found[2:len(found)-1]]; ok {
				return value
			}
			return found
		})
	}
	return values
}

// nodes are the environments of all nodes of a grid, by the id that the pod's
// ordinal gives them.
func nodes(t tb, grid *odgm.Grid, in odgm.Input) map[uint64]map[string]string {
	t.Helper()
	found := map[uint64]map[string]string{}
	add := func(container corev1.Container, start, replicas int32) {
		for i := range replicas {
			found[uint64(start+i)] = started(container, int(start+i))
		}
	}
	if in.Mode == v1alpha1.ODGMCluster {
		set := objectOf[*appsv1.StatefulSet](t, grid)
		add(set.Spec.Template.Spec.Containers[0], set.Spec.Ordinals.Start, *set.Spec.Replicas)
		return found
	}
	for _, f := range in.Functions {
		sidecar, ok := grid.Sidecar(f.Key)
		if !ok {
			t.Fatalf("function %q has no sidecar", f.Key)
		}
		add(sidecar.Container, sidecar.OrdinalStart, f.Replicas)
	}
	return found
}
