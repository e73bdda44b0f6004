// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/planner"
)

// golden writes a plan in lines: size, units, problems, availability.
func golden(plan planner.Plan) string {
	var lines []string
	r := plan.Requirements
	lines = append(lines, fmt.Sprintf("size %d..%d copies %d", r.MinReplicas, r.MaxReplicas, r.ReplicationFactor))
	if plan.Halted {
		lines = append(lines, "halted")
	}
	for _, unit := range plan.Units {
		lines = append(lines, unit.Content.GetEnvironment()+" on "+unit.Cluster)
	}
	for _, problem := range plan.Problems {
		text := string(problem.Type) + ": " + problem.Message
		if problem.Unreachable {
			text += " (may pass)"
		}
		lines = append(lines, text)
	}
	if plan.Availability.Required != "" {
		lines = append(lines, fmt.Sprintf("availability %s %s", plan.Availability.Met, plan.Availability.Achieved))
	}
	return strings.Join(lines, "\n")
}

func TestMake(t *testing.T) {
	one := []*pmv1alpha1.Cluster{cluster("a")}
	for name, test := range map[string]struct {
		deployment *pmv1alpha1.ClassDeployment
		pkg        *pmv1alpha1.Package
		noPackage  bool
		clusters   []*pmv1alpha1.Cluster
		want       string
	}{
		"no requirement gives one replica in the default environment": {
			want: "size 1..2 copies 1\ndefault on a",
		},
		"throughput is rounded up to whole replicas": {
			deployment: deployment(throughput(2001)),
			want:       "size 3..6 copies 1\ndefault on a",
		},
		"throughput of exactly one replica needs one": {
			deployment: deployment(throughput(1000)),
			want:       "size 1..2 copies 1\ndefault on a",
		},
		"absurd throughput does not overflow": {
			deployment: deployment(throughput(9223372036854775807)),
			want:       "size 1073741823..2147483646 copies 1\ndefault on a",
		},
		"availability just below a bound gets the copies of the lower one": {
			deployment: deployment(availability("0.998999999999999999999")),
			clusters:   []*pmv1alpha1.Cluster{cluster("a", up("1"))},
			want:       "size 2..4 copies 2\ndefault on a\navailability True 1",
		},
		"availability of three nines asks for three copies": {
			deployment: deployment(availability("0.999")),
			clusters:   []*pmv1alpha1.Cluster{cluster("a", up("0.999"))},
			want:       "size 3..6 copies 3\ndefault on a\navailability True 0.999",
		},
		"throughput wins over copies where it needs more": {
			deployment: deployment(availability("0.99"), throughput(5000)),
			clusters:   []*pmv1alpha1.Cluster{cluster("a", up("1"))},
			want:       "size 5..10 copies 2\ndefault on a\navailability True 1",
		},
		"a user's minimum raises both bounds": {
			deployment: deployment(replicas(4, -1)),
			want:       "size 4..8 copies 1\ndefault on a",
		},
		"a user's minimum does not lower what throughput needs": {
			deployment: deployment(replicas(1, -1), throughput(3000)),
			want:       "size 3..6 copies 1\ndefault on a",
		},
		"a user's maximum is taken as it stands": {
			deployment: deployment(replicas(-1, 20)),
			want:       "size 1..20 copies 1\ndefault on a",
		},
		"a user's maximum caps what throughput needs": {
			deployment: deployment(replicas(-1, 2), throughput(9000)),
			want:       "size 2..2 copies 1\ndefault on a",
		},
		"an availability that is no number halts the plan": {
			deployment: deployment(availability("high")),
			want:       "size 0..0 copies 0\nhalted\nInvalidRequirement: spec.nfr.availability: \"high\" is not a decimal between 0 and 1: write it like 0.999",
		},
		"a package that is missing halts the plan": {
			noPackage: true,
			want:      "size 1..2 copies 1\nhalted\nPackageNotFound: spec.packageName: package \"store\" does not exist in namespace \"shop\": create it",
		},
		"a class that is missing is told with those that exist": {
			pkg:  store(func(p *pmv1alpha1.Package) { p.Spec.Classes[0].Key = "Basket" }),
			want: "size 1..2 copies 1\nhalted\nClassNotFound: spec.classKey: package \"store\" has no class \"Cart\": it has Basket",
		},
		"every function problem is told at once": {
			pkg: store(func(p *pmv1alpha1.Package) {
				p.Spec.Functions[0].Key = "things"
				p.Spec.Functions[1].Provision = nil
			}),
			want: "size 1..2 copies 1\nhalted\nFunctionIncomplete: function \"pricing\" of package \"store\" has no provision.image: a Custom function needs one\n" +
				"FunctionNotFound: class \"Cart\" binds \"add\" to function \"items\", which package \"store\" does not define: add the function or remove the binding",
		},
		"a disabled package takes no new unit": {
			pkg:  store(func(p *pmv1alpha1.Package) { p.Spec.Disabled = true }),
			want: "size 1..2 copies 1\nPackageDisabled: package \"store\" is disabled and takes no new units: set its spec.disabled to false",
		},
		"a disabled package keeps what runs": {
			deployment: deployment(running("default", "a")),
			pkg:        store(func(p *pmv1alpha1.Package) { p.Spec.Disabled = true }),
			want:       "size 1..2 copies 1\ndefault on a",
		},
		"a disabled class takes no new unit on a named cluster either": {
			deployment: deployment(onClusters("a")),
			pkg:        store(func(p *pmv1alpha1.Package) { p.Spec.Classes[0].Disabled = true }),
			want:       "size 1..2 copies 1\nClassDisabled: class \"Cart\" of package \"store\" is disabled and takes no new units: set its disabled to false",
		},
		"no cluster at all is told": {
			clusters: []*pmv1alpha1.Cluster{},
			want:     "size 1..2 copies 1\nNoCluster: no cluster for environment \"default\": there is no cluster: create one",
		},
		"every passed-over cluster is named with its reason": {
			deployment: deployment(inEnvironments("edge"), selecting(map[string]string{"tier": "x"})),
			clusters: []*pmv1alpha1.Cluster{
				cluster("f"), cluster("e", hosting("prod", "dev")),
				tier(cluster("d", beingDeleted)), tier(cluster("c", unschedulable)), tier(cluster("b", breakerOpen)), tier(cluster("a", health(pmv1alpha1.ClusterUnhealthy))),
				tier(cluster("g", health(pmv1alpha1.ClusterUnknown))),
			},
			want: "size 1..2 copies 1\nNoCluster: no cluster for environment \"edge\": a is Unhealthy, b has an open circuit breaker after 5 failed calls, c is unschedulable, d is being deleted, " +
				"e hosts only dev, prod, f does not match spec.clusterSelector tier=x, g was not heard of yet (may pass)",
		},
		"one environment without a place leaves the others alone": {
			deployment: deployment(inEnvironments("prod", "edge")),
			clusters:   []*pmv1alpha1.Cluster{cluster("a", hosting("prod"))},
			want:       "size 1..2 copies 1\nprod on a\nNoCluster: no cluster for environment \"edge\": a hosts only prod",
		},
		"the default cluster wins over a less loaded one": {
			clusters: []*pmv1alpha1.Cluster{cluster("a", cpu("1", "8")), cluster("b", cpu("7", "8"), isDefault)},
			want:     "size 1..2 copies 1\ndefault on b",
		},
		"the share of CPU counts, not the amount": {
			clusters: []*pmv1alpha1.Cluster{cluster("a", cpu("1", "2")), cluster("b", cpu("10", "100"))},
			want:     "size 1..2 copies 1\ndefault on b",
		},
		"a cluster of unknown load comes last": {
			clusters: []*pmv1alpha1.Cluster{cluster("a"), cluster("b", cpu("7", "8"))},
			want:     "size 1..2 copies 1\ndefault on b",
		},
		"equal clusters are told apart by name": {
			clusters: []*pmv1alpha1.Cluster{cluster("b", cpu("1", "2")), cluster("a", cpu("2", "4"))},
			want:     "size 1..2 copies 1\ndefault on a",
		},
		"a degraded cluster still takes units": {
			clusters: []*pmv1alpha1.Cluster{cluster("a", health(pmv1alpha1.ClusterDegraded))},
			want:     "size 1..2 copies 1\ndefault on a",
		},
		"each environment goes to the cluster that hosts it": {
			deployment: deployment(inEnvironments("prod", "edge")),
			clusters:   []*pmv1alpha1.Cluster{cluster("a", hosting("edge")), cluster("b", hosting("prod"))},
			want:       "size 1..2 copies 1\nedge on a\nprod on b",
		},
		"named clusters get one unit for each environment that they host": {
			deployment: deployment(inEnvironments("prod", "edge"), onClusters("a", "b")),
			clusters:   []*pmv1alpha1.Cluster{cluster("a"), cluster("b", hosting("prod")), cluster("c")},
			want:       "size 1..2 copies 1\nedge on a\nprod on a\nprod on b",
		},
		"a named cluster that does not answer is waited for": {
			deployment: deployment(onClusters("a", "b", "c")),
			clusters: []*pmv1alpha1.Cluster{
				cluster("a", health(pmv1alpha1.ClusterUnknown)), cluster("b", breakerOpen), cluster("c", health(pmv1alpha1.ClusterUnhealthy)),
			},
			want: "size 1..2 copies 1\ndefault on a\ndefault on b\ndefault on c",
		},
		"a named cluster that is unschedulable gets no new unit": {
			deployment: deployment(onClusters("a", "b")),
			clusters:   []*pmv1alpha1.Cluster{cluster("a", unschedulable), cluster("b")},
			want:       "size 1..2 copies 1\ndefault on b\nNoCluster: environment \"default\" gets no new unit on a: it is unschedulable",
		},
		"a named cluster that does not exist is told": {
			deployment: deployment(onClusters("a", "z")),
			want:       "size 1..2 copies 1\ndefault on a\nClusterNotFound: spec.targetClusters: cluster \"z\" does not exist: create it or take it off the list",
		},
		"a unit stays although another cluster would be chosen today": {
			deployment: deployment(running("default", "b")),
			clusters:   []*pmv1alpha1.Cluster{cluster("a", isDefault), cluster("b", cpu("8", "8"))},
			want:       "size 1..2 copies 1\ndefault on b",
		},
		"a unit stays while its cluster does not answer": {
			deployment: deployment(running("default", "b")),
			clusters:   []*pmv1alpha1.Cluster{cluster("a"), cluster("b", breakerOpen, unschedulable, health(pmv1alpha1.ClusterUnhealthy))},
			want:       "size 1..2 copies 1\ndefault on b",
		},
		"a unit moves when its cluster left the selection": {
			deployment: deployment(running("default", "b"), selecting(map[string]string{"name": "a"})),
			clusters:   []*pmv1alpha1.Cluster{cluster("a"), cluster("b")},
			want:       "size 1..2 copies 1\ndefault on a",
		},
		"a unit moves when its cluster no longer exists": {
			deployment: deployment(running("default", "b")),
			want:       "size 1..2 copies 1\ndefault on a",
		},
		"a unit that is leaving holds no place": {
			deployment: deployment(leaving("default", "b")),
			clusters:   []*pmv1alpha1.Cluster{cluster("a"), cluster("b")},
			want:       "size 1..2 copies 1\ndefault on a",
		},
		"a majority of three environments beats each of them": {
			deployment: deployment(availability("0.9999"), inEnvironments("x", "y", "z")),
			clusters: []*pmv1alpha1.Cluster{
				cluster("a", hosting("x"), up("0.99")), cluster("b", hosting("y"), up("0.99")), cluster("c", hosting("z"), up("0.99")),
			},
			want: "size 3..6 copies 3\nx on a\ny on b\nz on c\navailability False 0.999702",
		},
		"environments on one cluster fail together": {
			deployment: deployment(availability("0.99"), inEnvironments("x", "y", "z")),
			clusters:   []*pmv1alpha1.Cluster{cluster("a", up("0.9"))},
			want:       "size 2..4 copies 2\nx on a\ny on a\nz on a\navailability False 0.9",
		},
		"an environment on two clusters is up while one of them is": {
			deployment: deployment(availability("0.99"), onClusters("a", "b")),
			clusters:   []*pmv1alpha1.Cluster{cluster("a", up("0.9")), cluster("b", up("0.9"))},
			want:       "size 2..4 copies 2\ndefault on a\ndefault on b\navailability True 0.99",
		},
		"two environments must both be up": {
			deployment: deployment(availability("0.9"), inEnvironments("x", "y")),
			clusters:   []*pmv1alpha1.Cluster{cluster("a", hosting("x"), up("0.9")), cluster("b", hosting("y"), up("0.9"))},
			want:       "size 1..2 copies 1\nx on a\ny on b\navailability False 0.81",
		},
		"an availability that nobody reports is unknown": {
			deployment: deployment(availability("0.9")),
			want:       "size 1..2 copies 1\ndefault on a\navailability Unknown ",
		},
		"a missed availability is refused where the user prefers nothing": {
			deployment: deployment(availability("0.99"), refusing),
			clusters:   []*pmv1alpha1.Cluster{cluster("a", up("0.98"))},
			want: "size 2..4 copies 2\nhalted\nAvailabilityUnreachable: the chosen clusters achieve 0.98, which is below the required 0.99: " +
				"add environments or more available clusters; nothing changes because spec.placement.onUnreachable is Refuse\navailability False 0.98",
		},
		"an availability that is met is not refused": {
			deployment: deployment(availability("0.99"), refusing),
			clusters:   []*pmv1alpha1.Cluster{cluster("a", up("0.99"))},
			want:       "size 2..4 copies 2\ndefault on a\navailability True 0.99",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if test.deployment == nil {
				test.deployment = deployment()
			}
			if test.pkg == nil && !test.noPackage {
				test.pkg = store()
			}
			if test.clusters == nil {
				test.clusters = one
			}
			// The order of lists and of maps must not show.
			for range 5 {
				rand.Shuffle(len(test.clusters), func(i, j int) {
					test.clusters[i], test.clusters[j] = test.clusters[j], test.clusters[i]
				})
				environments := test.deployment.Spec.TargetEnvironments
				rand.Shuffle(len(environments), func(i, j int) {
					environments[i], environments[j] = environments[j], environments[i]
				})
				plan, err := planner.Make(planner.Input{Deployment: test.deployment, Package: test.pkg, Clusters: test.clusters})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, golden(plan)); diff != "" {
					t.Fatalf("plan (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func tier(c *pmv1alpha1.Cluster) *pmv1alpha1.Cluster {
	c.Labels["tier"] = "x"
	return c
}

func TestAPlanTellsWhichPackageItWasMadeWith(t *testing.T) {
	pkg := store(func(p *pmv1alpha1.Package) { p.Generation = 4 })
	for name, test := range map[string]struct {
		deployment *pmv1alpha1.ClassDeployment
		pkg        *pmv1alpha1.Package
		want       int64
	}{
		"a plan without problems":          {deployment(), pkg, 4},
		"a requirement that is unreadable": {deployment(availability("a lot")), pkg, 4},
		"a package that is not there":      {deployment(), nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := planner.Make(planner.Input{Deployment: test.deployment, Package: test.pkg})
			if err != nil || plan.PackageGeneration != test.want {
				t.Errorf("generation is %d (%v), want %d", plan.PackageGeneration, err, test.want)
			}
		})
	}
}
