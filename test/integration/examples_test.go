// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Every example does what its file says on the first try.
func TestExamples(t *testing.T) {
	tests := map[string]struct {
		// workloads is the number of Deployments that the example leads to.
		workloads int
		// units by name of the class deployment.
		units map[string]int
	}{
		"echo.yaml":      {workloads: 1, units: map[string]int{"echo": 1}},
		"record.yaml":    {workloads: 2, units: map[string]int{"record": 1}},
		"wasm.yaml":      {workloads: 0, units: map[string]int{"counter": 1}},
		"multi-env.yaml": {workloads: 4, units: map[string]int{"shop-checkout": 2}},
		"manifest.yaml":  {workloads: 1, units: map[string]int{"greeter": 1}},
	}
	files, err := filepath.Glob("../../artifacts/examples/*.yaml")
	if err != nil || len(files) != len(tests) {
		t.Fatalf("there are %d examples and %d expectations (%v)", len(files), len(tests), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want := tests[filepath.Base(file)]
			namespace := newNamespace(t)
			output := mustOaas(t, "", "deploy", "-f", file, "-n", namespace, "--wait", "--strict")
			for name, units := range want.units {
				deployment := waitAvailable(t, namespace, name)
				if len(deployment.Status.Units) != units {
					t.Errorf("%s has units %+v, want %d", name, deployment.Status.Units, units)
				}
				if !strings.Contains(output, name) {
					t.Errorf("%s is missing in:\n%s", name, output)
				}
			}
			list, err := hub.kube.AppsV1().Deployments(namespace).List(t.Context(), metav1.ListOptions{})
			if err != nil || len(list.Items) != want.workloads {
				t.Errorf("there are %d workloads, want %d (%v)", len(list.Items), want.workloads, err)
			}
			mustOaas(t, "", "delete", "-f", file, "-n", namespace)
		})
	}
}
