// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/planner"
)

// images is a package with a function that others bind.
func images(options ...packageOption) *pmv1alpha1.Package {
	p := &pmv1alpha1.Package{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "images"},
		Spec: pmv1alpha1.PackageSpec{
			Version: "1.2.0",
			Functions: []pmv1alpha1.FunctionDefinition{
				{Key: "resize", Provision: &pmv1alpha1.FunctionProvision{Image: "r/resize:1"}},
				{Key: "crop", Provision: &pmv1alpha1.FunctionProvision{Image: "r/crop:1"}},
			},
		},
	}
	for _, option := range options {
		option(p)
	}
	return p
}

// binding makes Cart bind a function of a package that the store depends on.
func binding(key, versionRange string) packageOption {
	return func(p *pmv1alpha1.Package) {
		p.Spec.Classes[0].FunctionBindings = []pmv1alpha1.FunctionBinding{{Name: "show", FunctionKey: key}}
		p.Spec.Dependencies = []pmv1alpha1.PackageDependency{{Name: "images", Version: versionRange}}
	}
}

func plan(t *testing.T, d *pmv1alpha1.ClassDeployment, p *pmv1alpha1.Package, dependencies ...*pmv1alpha1.Package) planner.Plan {
	t.Helper()
	in := planner.Input{Deployment: d, Package: p, Clusters: []*pmv1alpha1.Cluster{cluster("a")}, Dependencies: map[string]*pmv1alpha1.Package{}}
	for _, dependency := range dependencies {
		in.Dependencies[dependency.Name] = dependency
	}
	made, err := planner.Make(in)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestAFunctionOfADependencyGetsAWorkload(t *testing.T) {
	unit := plan(t, deployment(), store(binding("images.resize", "^1")), images()).Units[0].Content
	containers := unit.GetFunctionContainers()
	if len(containers) != 1 || containers[0].GetFunctionKey() != "images.resize" || containers[0].GetImage() != "r/resize:1" {
		t.Errorf("containers are %v, want one that runs the dependency's image under the key that the class binds", containers)
	}
}

func TestAFunctionOfThePackageItselfComesFirst(t *testing.T) {
	own := func(p *pmv1alpha1.Package) { p.Spec.Functions[0].Key = "images.resize" }
	unit := plan(t, deployment(), store(binding("images.resize", ""), own), images()).Units[0].Content
	if got := unit.GetFunctionContainers()[0].GetImage(); got != "r/items:1" {
		t.Errorf("image is %s, want that of the package's own function", got)
	}
}

func TestWhatKeepsADependencyFromBeingUsed(t *testing.T) {
	for name, test := range map[string]struct {
		pkg          *pmv1alpha1.Package
		dependencies []*pmv1alpha1.Package
		want         string
	}{
		"a dependency that does not exist halts the plan": {
			pkg:  store(binding("images.resize", "")),
			want: "size 1..2 copies 1\nhalted\nDependencyNotFound: class \"Cart\" binds \"show\" to function \"images.resize\", but package \"images\" does not exist in namespace \"shop\": create it",
		},
		"a version out of range halts the plan": {
			pkg: store(binding("images.resize", ">=2")), dependencies: []*pmv1alpha1.Package{images()},
			want: "size 1..2 copies 1\nhalted\nDependencyUnsatisfied: class \"Cart\" binds \"show\" to function \"images.resize\", but package \"images\" has version \"1.2.0\", " +
				"which is not in the range \">=2\" of the dependency: publish one that is or change the range",
		},
		"a function that the dependency lacks halts the plan": {
			pkg: store(binding("images.blur", "")), dependencies: []*pmv1alpha1.Package{images()},
			want: "size 1..2 copies 1\nhalted\nFunctionNotFound: class \"Cart\" binds \"show\" to function \"images.blur\", but package \"images\" defines no function \"blur\": add the function there or remove the binding",
		},
		"a package that is no dependency is not looked at": {
			pkg: store(binding("other.resize", "")), dependencies: []*pmv1alpha1.Package{images()},
			want: "size 1..2 copies 1\nhalted\nFunctionNotFound: class \"Cart\" binds \"show\" to function \"other.resize\", which package \"store\" does not define: add the function or remove the binding",
		},
		"a disabled dependency takes no new unit of the class": {
			pkg: store(binding("images.resize", "")), dependencies: []*pmv1alpha1.Package{images(func(p *pmv1alpha1.Package) { p.Spec.Disabled = true })},
			want: "size 1..2 copies 1\nPackageDisabled: package \"images\", whose function \"resize\" class \"Cart\" binds, is disabled and takes no new units: set its spec.disabled to false",
		},
		"a disabled function takes no new unit of the class": {
			pkg: store(binding("images.resize", "")), dependencies: []*pmv1alpha1.Package{images(func(p *pmv1alpha1.Package) { p.Spec.Functions[0].Disabled = true })},
			want: "size 1..2 copies 1\nFunctionDisabled: function \"resize\" of package \"images\" is disabled, and class \"Cart\" that binds it takes no new units: set its disabled to false",
		},
		"a disabled function that the class does not bind is no obstacle": {
			pkg: store(binding("images.resize", "")), dependencies: []*pmv1alpha1.Package{images(func(p *pmv1alpha1.Package) { p.Spec.Functions[1].Disabled = true })},
			want: "size 1..2 copies 1\ndefault on a",
		},
		"a dependency that nobody binds may be missing": {
			pkg:  store(func(p *pmv1alpha1.Package) { p.Spec.Dependencies = []pmv1alpha1.PackageDependency{{Name: "images"}} }),
			want: "size 1..2 copies 1\ndefault on a",
		},
		"a package that is being deleted takes no new unit": {
			pkg:  store(func(p *pmv1alpha1.Package) { p.DeletionTimestamp = &metav1.Time{} }),
			want: "size 1..2 copies 1\nPackageTerminating: package \"store\" is being deleted and takes no new units: publish it again once it is gone",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := golden(plan(t, deployment(), test.pkg, test.dependencies...)); got != test.want {
				t.Errorf("plan is\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestWhatIsDisabledKeepsRunning(t *testing.T) {
	disabled := images(func(p *pmv1alpha1.Package) { p.Spec.Functions[0].Disabled = true })
	got := plan(t, deployment(running("default", "a")), store(binding("images.resize", "")), disabled)
	if len(got.Units) != 1 || len(got.Problems) != 0 {
		t.Errorf("plan is\n%s\nwant the unit to go on", golden(got))
	}
}

func TestOnlyWhatAClassRunsChangesItsHash(t *testing.T) {
	hash := func(p *pmv1alpha1.Package, dependency *pmv1alpha1.Package) string {
		return plan(t, deployment(), p, dependency).Units[0].Content.GetHash()
	}
	base := hash(store(binding("images.resize", "")), images())
	for name, test := range map[string]struct {
		change     packageOption
		dependency packageOption
		same       bool
	}{
		"another version of the package": {change: func(p *pmv1alpha1.Package) { p.Spec.Version = "2.0" }, same: true},
		"another description, author and tag": {change: func(p *pmv1alpha1.Package) {
			p.Spec.Description, p.Spec.Author, p.Spec.Tags = "new", "new", []string{"new"}
		}, same: true},
		"another class": {change: func(p *pmv1alpha1.Package) {
			p.Spec.Classes = append(p.Spec.Classes, pmv1alpha1.ClassDefinition{Key: "Order"})
		}, same: true},
		"a function that it does not bind": {change: func(p *pmv1alpha1.Package) { p.Spec.Functions[0].Provision.Image = "r/items:2" }, same: true},
		"a function of the dependency that it does not bind": {
			dependency: func(p *pmv1alpha1.Package) { p.Spec.Functions[1].Provision.Image = "r/crop:2" }, same: true,
		},
		"another version of the dependency": {dependency: func(p *pmv1alpha1.Package) { p.Spec.Version = "1.3.0" }, same: true},
		"the function of the dependency that it binds": {
			dependency: func(p *pmv1alpha1.Package) { p.Spec.Functions[0].Provision.Image = "r/resize:2" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			changes := []packageOption{binding("images.resize", "")}
			if test.change != nil {
				changes = append(changes, test.change)
			}
			dependency := images()
			if test.dependency != nil {
				test.dependency(dependency)
			}
			if got := hash(store(changes...), dependency); (got == base) != test.same {
				t.Errorf("the hash is the same: %t, want %t", got == base, test.same)
			}
		})
	}
}

func TestTwoEqualBoundsMeanExactlyThatManyReplicas(t *testing.T) {
	for name, exact := range map[string]int32{"three": 3, "none": 0} {
		t.Run(name, func(t *testing.T) {
			got := plan(t, deployment(replicas(exact, exact), throughput(9000), availability("0.999")), store(scaled(1, 9)))
			if got.Requirements.MinReplicas != exact || got.Requirements.MaxReplicas != exact {
				t.Errorf("requirements are %+v, want exactly %d", got.Requirements, exact)
			}
			for _, container := range got.Units[0].Content.GetFunctionContainers() {
				if container.MinReplicas == nil || *container.MinReplicas != exact || container.MaxReplicas == nil || *container.MaxReplicas != exact {
					t.Errorf("function %s runs %v to %v, want exactly %d", container.GetFunctionKey(), show(container.MinReplicas), show(container.MaxReplicas), exact)
				}
			}
		})
	}
}
