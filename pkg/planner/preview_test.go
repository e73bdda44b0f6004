// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner_test

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/planner"
)

// accepted notes that the cluster of the last unit has the content of a plan.
func accepted(content string) deploymentOption {
	return func(d *pmv1alpha1.ClassDeployment) { d.Status.Units[len(d.Status.Units)-1].DispatchedHash = content }
}

func TestPreview(t *testing.T) {
	current := plannedUnit(t, deployment(), store()).GetHash()
	for name, test := range map[string]struct {
		deployment *pmv1alpha1.ClassDeployment
		pkg        *pmv1alpha1.Package
		want       []string
	}{
		"a unit that nobody knows is created":            {deployment: deployment(), want: []string{"Create default on a"}},
		"a unit that was listed and not sent is created": {deployment: deployment(running("default", "a")), want: []string{"Create default on a"}},
		"a unit with the same content is kept":           {deployment: deployment(running("default", "a"), accepted(current)), want: []string{"Keep default on a"}},
		"a unit with other content is updated":           {deployment: deployment(running("default", "a"), accepted("old")), want: []string{"Update default on a"}},
		"a unit that left the plan is removed": {
			deployment: deployment(running("default", "a"), accepted(current), running("edge", "b"), accepted("old")),
			want:       []string{"Keep default on a", "Remove edge on b"},
		},
		"a plan that is halted keeps what it planned and removes the rest": {
			deployment: deployment(running("default", "a"), accepted(current), leaving("edge", "b")),
			pkg:        store(func(p *pmv1alpha1.Package) { p.Spec.Functions = nil }),
			want:       []string{"Keep default on a", "Remove edge on b"},
		},
		"everything goes with a deployment that is being deleted": {
			deployment: deployment(running("default", "a"), accepted(current), func(d *pmv1alpha1.ClassDeployment) { d.DeletionTimestamp = &metav1.Time{} }),
			want:       []string{"Remove default on a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			pkg := test.pkg
			if pkg == nil {
				pkg = store()
			}
			made := plan(t, test.deployment, pkg)
			var got []string
			for _, unit := range planner.Preview(test.deployment, made).Units {
				got = append(got, fmt.Sprintf("%s %s on %s", unit.Action, unit.Environment, unit.Cluster))
			}
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("units are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestPreviewShowsTheBoundsThatCount(t *testing.T) {
	preview := planner.Preview(deployment(), plan(t, deployment(throughput(2000)), store(scaled(1, -1))))
	for _, function := range preview.Units[0].Functions {
		want := pmv1alpha1.PlannedFunction{Key: "pricing", Image: "r/pricing:1", MinReplicas: 2, MaxReplicas: 4}
		if function.Key == "items" {
			want = pmv1alpha1.PlannedFunction{Key: "items", Image: "r/items:1", MinReplicas: 1, MaxReplicas: 4}
		}
		if function != want {
			t.Errorf("function is %+v, want %+v", function, want)
		}
	}
}
