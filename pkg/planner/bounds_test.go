// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner_test

import (
	"fmt"
	"testing"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/planner"
)

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
