// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner_test

import (
	"fmt"
	"testing"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/planner"
)

func TestADeploymentHasNoMoreUnitsThanItsStatusLists(t *testing.T) {
	environments := make([]string, 0, 64)
	for i := range cap(environments) {
		environments = append(environments, fmt.Sprintf("e%02d", i))
	}
	var clusters []*pmv1alpha1.Cluster
	var names []string
	for i := range planner.MaxUnits/len(environments) + 1 {
		names = append(names, fmt.Sprintf("c%03d", i))
		clusters = append(clusters, cluster(names[i]))
	}
	make := func(names []string) planner.Plan {
		t.Helper()
		plan, err := planner.Make(planner.Input{Deployment: deployment(inEnvironments(environments...), onClusters(names...)), Package: store(), Clusters: clusters})
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	if plan := make(names[:len(names)-1]); plan.Halted || len(plan.Units) != planner.MaxUnits {
		t.Errorf("%d units of %d are planned: %s", len(plan.Units), planner.MaxUnits, plan.Problems.Message())
	}
	plan := make(names)
	if !plan.Halted || len(plan.Units) != 0 || len(plan.Problems) != 1 || plan.Problems[0].Type != planner.TooManyUnits {
		t.Errorf("%d units are planned, halted %v, with the problems %v, want none because of too many", len(plan.Units), plan.Halted, plan.Problems)
	}
}

// What a plan says is stored in a status, where a text has 32 KiB at the most.
func TestAProblemIsTextForPeopleHoweverManyThingsItIsAbout(t *testing.T) {
	many := func(n int, what string) []string {
		names := make([]string, 0, n)
		for i := range n {
			names = append(names, fmt.Sprintf("%s-%05d", what, i))
		}
		return names
	}
	var apart, silent []*pmv1alpha1.Cluster
	for _, name := range many(1000, "cluster") {
		apart = append(apart, cluster(name, hosting(many(64, "environment")...)))
		silent = append(silent, cluster(name, health(pmv1alpha1.ClusterUnhealthy)))
	}
	for name, test := range map[string]planner.Input{
		"a class that is missing from a package of thousands": {
			Deployment: deployment(), Clusters: silent,
			Package: store(func(p *pmv1alpha1.Package) {
				p.Spec.Classes = nil
				for _, key := range many(10_000, "Class") {
					p.Spec.Classes = append(p.Spec.Classes, pmv1alpha1.ClassDefinition{Key: key})
				}
			}),
		},
		"an environment that none of a thousand clusters hosts":           {Deployment: deployment(), Clusters: apart, Package: store()},
		"an environment of a thousand clusters that are all away":         {Deployment: deployment(), Clusters: silent, Package: store()},
		"an availability that hundreds of clusters have not reported yet": {Deployment: deployment(onClusters(many(256, "cluster")...)), Clusters: silent, Package: store()},
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := planner.Make(test)
			if err != nil {
				t.Fatal(err)
			}
			const room = 8 << 10
			if text := plan.Problems.Message(); len(text) > room {
				t.Errorf("a text of %d bytes tells of the problems, want at most %d: %.200s", len(text), room, text)
			}
			if text := plan.Availability.Message; len(text) > room {
				t.Errorf("a text of %d bytes tells of the availability, want at most %d: %.200s", len(text), room, text)
			}
		})
	}
}
