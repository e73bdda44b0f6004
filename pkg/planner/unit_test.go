// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/planner"
)

func plannedUnit(t *testing.T, d *pmv1alpha1.ClassDeployment, p *pmv1alpha1.Package) *deploymentv1.DeploymentUnit {
	t.Helper()
	plan, err := planner.Make(planner.Input{Deployment: d, Package: p, Clusters: []*pmv1alpha1.Cluster{cluster("a")}})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Units) != 1 {
		t.Fatalf("got %d units, want 1: %s", len(plan.Units), plan.Problems.Message())
	}
	return plan.Units[0].Content
}

func TestUnitIDIsALabelWhateverTheName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		namespace, name, environment := rapid.String().Draw(t, "namespace"), rapid.String().Draw(t, "name"), rapid.String().Draw(t, "environment")
		id := planner.UnitID(namespace, name, environment)
		if problems := validation.IsDNS1035Label(id); len(problems) > 0 {
			t.Fatalf("UnitID(%q, %q, %q) = %q: %s", namespace, name, environment, id, problems)
		}
		if again := planner.UnitID(namespace, name, environment); again != id {
			t.Fatalf("the id is %q once and %q again", id, again)
		}
	})
}

func TestUnitIDsOfDifferentUnitsDiffer(t *testing.T) {
	label := rapid.StringMatching(`[a-z0-9]([-a-z0-9]{0,100}[a-z0-9])?`)
	rapid.Check(t, func(t *rapid.T) {
		type unit struct{ namespace, name, environment string }
		draw := func(of string) unit {
			return unit{label.Draw(t, of+" namespace"), label.Draw(t, of+" name"), label.Draw(t, of+" environment")}
		}
		a, b := draw("first"), draw("second")
		if a != b && planner.UnitID(a.namespace, a.name, a.environment) == planner.UnitID(b.namespace, b.name, b.environment) {
			t.Fatalf("%v and %v share an id", a, b)
		}
	})
}

func TestUnitIDShowsTheNameAndKeepsTheWholeHash(t *testing.T) {
	if id := planner.UnitID("shop", "cart", "default"); !strings.HasPrefix(id, "cart-") {
		t.Errorf("id %q does not start with the name", id)
	}
	long := strings.Repeat("x", 300)
	if a, b := planner.UnitID("shop", long, "prod"), planner.UnitID("shop", long, "edge"); len(a) != 63 || a == b {
		t.Errorf("ids of a long name: %q and %q, want two different ones of 63 characters", a, b)
	}
}

func TestUnitContent(t *testing.T) {
	d := deployment(throughput(1500), availability("0.99"))
	d.Spec.Templates = map[string]string{"default": "statefulset", "prod": "knative"}
	p := store(scaled(1, 9), func(p *pmv1alpha1.Package) {
		provision := p.Spec.Functions[0].Provision
		provision.Resources.Requests = map[string]resource.Quantity{"cpu": resource.MustParse("0.5"), "memory": resource.MustParse("64Mi")}
		provision.Probes = &pmv1alpha1.FunctionProbes{Readiness: &pmv1alpha1.HTTPProbe{Path: "/ready", PeriodSeconds: 3}}
	})
	want := &deploymentv1.DeploymentUnit{
		Id: planner.UnitID("shop", "cart", "default"), Namespace: "shop", ClassDeployment: "cart",
		PackageName: "store", PackageVersion: "1.0", ClassKey: "Cart", Environment: "default", Template: "statefulset",
		NfrRequirements:    &deploymentv1.NfrRequirements{MinThroughputRps: ptr.To[int64](1500), Availability: "0.99"},
		ResourceAllocation: &deploymentv1.ResourceAllocation{ReplicationFactor: 2, MinReplicas: 2, MaxReplicas: 4},
		FunctionContainers: []*deploymentv1.FunctionContainer{
			{
				FunctionKey: "items", Image: "r/items:1", Port: 9000, Env: map[string]string{"A": "1", "B": "2"},
				ResourceRequests: map[string]string{"cpu": "500m", "memory": "64Mi"},
				MinReplicas:      ptr.To[int32](1), MaxReplicas: ptr.To[int32](9),
				HealthCheck: &deploymentv1.HealthCheck{Readiness: &deploymentv1.HttpProbe{Path: "/ready", PeriodSeconds: 3}},
			},
			{FunctionKey: "pricing", Image: "r/pricing:1", Port: 8080},
		},
		Bindings: []*deploymentv1.MethodBinding{
			{Name: "add", FunctionKey: "items"},
			{Name: "checkout", FunctionKey: "macro"},
			{Name: "get", FunctionKey: "builtin"},
			{Name: "hash", FunctionKey: "wasm"},
			{Name: "pay", FunctionKey: "logical"},
			{Name: "remove", FunctionKey: "items"},
			{Name: "total", FunctionKey: "pricing"},
		},
		DeletionPolicy: deploymentv1.DeletionPolicy_DELETION_POLICY_DELETE,
	}
	got := plannedUnit(t, d, p)
	if len(got.GetHash()) != 32 {
		t.Errorf("hash is %q, want 32 hex digits", got.GetHash())
	}
	if diff := cmp.Diff(want, got, protocmp.Transform(), protocmp.IgnoreFields(&deploymentv1.DeploymentUnit{}, "hash")); diff != "" {
		t.Errorf("unit (-want +got):\n%s", diff)
	}
}

func TestFunctionBoundsNeverContradict(t *testing.T) {
	for name, test := range map[string]struct {
		least, greatest         int32
		wantLeast, wantGreatest *int32
	}{
		"none leaves both to the unit":                       {-1, -1, nil, nil},
		"a minimum within the unit's bounds stands alone":    {3, -1, ptr.To[int32](3), nil},
		"a minimum above the unit's maximum raises it":       {50, -1, ptr.To[int32](50), ptr.To[int32](50)},
		"a maximum below the unit's minimum lowers it":       {-1, 1, ptr.To[int32](1), ptr.To[int32](1)},
		"zero is a minimum":                                  {0, -1, ptr.To[int32](0), nil},
		"both are taken as they stand":                       {0, 1, ptr.To[int32](0), ptr.To[int32](1)},
		"a maximum above the unit's stands alone and counts": {-1, 99, nil, ptr.To[int32](99)},
	} {
		t.Run(name, func(t *testing.T) {
			// The unit's own bounds are 2 to 4.
			unit := plannedUnit(t, deployment(throughput(2000)), store(scaled(test.least, test.greatest)))
			got := unit.GetFunctionContainers()[0]
			if !cmp.Equal(test.wantLeast, got.MinReplicas) || !cmp.Equal(test.wantGreatest, got.MaxReplicas) {
				t.Errorf("bounds are %v to %v, want %v to %v", show(got.MinReplicas), show(got.MaxReplicas), show(test.wantLeast), show(test.wantGreatest))
			}
		})
	}
}

func show(bound *int32) any {
	if bound == nil {
		return "unset"
	}
	return *bound
}

func TestHashFollowsTheContentAlone(t *testing.T) {
	base := plannedUnit(t, deployment(), store()).GetHash()
	shuffled := store(func(p *pmv1alpha1.Package) {
		rand.Shuffle(len(p.Spec.Functions), func(i, j int) {
			p.Spec.Functions[i], p.Spec.Functions[j] = p.Spec.Functions[j], p.Spec.Functions[i]
		})
		bindings := p.Spec.Classes[0].FunctionBindings
		rand.Shuffle(len(bindings), func(i, j int) { bindings[i], bindings[j] = bindings[j], bindings[i] })
	})
	if got := plannedUnit(t, deployment(), shuffled).GetHash(); got != base {
		t.Errorf("another order of the package gives hash %s, want %s", got, base)
	}
	for name, changed := range map[string]func() (*pmv1alpha1.ClassDeployment, *pmv1alpha1.Package){
		"image": func() (*pmv1alpha1.ClassDeployment, *pmv1alpha1.Package) {
			return deployment(), store(func(p *pmv1alpha1.Package) { p.Spec.Functions[0].Provision.Image = "r/items:2" })
		},
		"config": func() (*pmv1alpha1.ClassDeployment, *pmv1alpha1.Package) {
			return deployment(), store(func(p *pmv1alpha1.Package) { p.Spec.Functions[0].Config["A"] = "0" })
		},
		"replicas": func() (*pmv1alpha1.ClassDeployment, *pmv1alpha1.Package) {
			return deployment(replicas(2, -1)), store()
		},
		"state": func() (*pmv1alpha1.ClassDeployment, *pmv1alpha1.Package) {
			return deployment(), store(func(p *pmv1alpha1.Package) { p.Spec.Classes[0].StateSpec = &pmv1alpha1.StateSpec{} })
		},
		"trigger": func() (*pmv1alpha1.ClassDeployment, *pmv1alpha1.Package) {
			return deployment(), store(func(p *pmv1alpha1.Package) {
				p.Spec.Classes[0].FunctionBindings[0].TriggerOnStateChange = true
			})
		},
		"Secret": func() (*pmv1alpha1.ClassDeployment, *pmv1alpha1.Package) {
			return deployment(), store(func(p *pmv1alpha1.Package) {
				p.Spec.Functions[0].SecretConfig = []pmv1alpha1.SecretVariable{{Name: "DB", SecretName: "db", Key: "url"}}
			})
		},
		"volume": func() (*pmv1alpha1.ClassDeployment, *pmv1alpha1.Package) {
			return deployment(), store(func(p *pmv1alpha1.Package) {
				p.Spec.Functions[0].Provision.VolumeMounts = []pmv1alpha1.VolumeMount{{Name: "a", MountPath: "/a", EmptyDir: &pmv1alpha1.EmptyVolume{}}}
			})
		},
		"deletion policy": func() (*pmv1alpha1.ClassDeployment, *pmv1alpha1.Package) {
			return deployment(func(d *pmv1alpha1.ClassDeployment) { d.Spec.DeletionPolicy = pmv1alpha1.DeletionRetain }), store()
		},
		"enforcement": func() (*pmv1alpha1.ClassDeployment, *pmv1alpha1.Package) {
			return deployment(func(d *pmv1alpha1.ClassDeployment) {
				d.Spec.Enforcement = &pmv1alpha1.Enforcement{Mode: pmv1alpha1.EnforcementOff}
			}), store()
		},
		"requirement": func() (*pmv1alpha1.ClassDeployment, *pmv1alpha1.Package) {
			return deployment(throughput(1)), store()
		},
	} {
		if d, p := changed(); plannedUnit(t, d, p).GetHash() == base {
			t.Errorf("another %s gives the same hash", name)
		}
	}
}
