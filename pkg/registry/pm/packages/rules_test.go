// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"errors"
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	"oaas.io/oaas/pkg/apis/pm"
)

func TestDependenciesAreThereWhenAPackageIsWritten(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("base", "1.4.0"), pkg("bare", ""))
	for sentence, test := range map[string]struct {
		needs  []string
		reason string
		says   []string
	}{
		"one that exists":                      {[]string{"base"}, "", nil},
		"one in a version that fits":           {[]string{"base >=1.2 <2 : f"}, "", nil},
		"one without a version, any accepted":  {[]string{"bare"}, "", nil},
		"one that does not exist":              {[]string{"gone"}, "Invalid", []string{"spec.dependencies[0].name", `Not found: "gone"`, "create it first"}},
		"one in another version":               {[]string{"base ^2"}, "Invalid", []string{"spec.dependencies[0].version", `"^2"`, "has version 1.4.0"}},
		"one without a version, some accepted": {[]string{"bare >=0"}, "Invalid", []string{"spec.dependencies[0].version", "has no version"}},
		"a function that the dependency lacks": {[]string{"base : f, lost"}, "Invalid", []string{"spec.classes[0].functionBindings[1].functionKey", `Not found: "base.lost"`}},
		"everything that is wrong is told":     {[]string{"gone", "base ^2 : lost"}, "Invalid", []string{"dependencies[0].name", "dependencies[1].version", "base.lost"}},
		"the package itself":                   {[]string{"self"}, "Invalid", []string{"cannot depend on itself"}},
		"a range that cannot be read":          {[]string{"base about-one"}, "Invalid", []string{"spec.dependencies[0].version", "range of semantic versions"}},
		"functions of two dependencies":        {[]string{"bare : f", "base : f"}, "", nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			err := s.create(pkg("self", "1.0", test.needs...))
			expectError(t, err, test.reason, test.says...)
			if err == nil {
				expectError(t, s.delete("self"), "")
			}
			for _, name := range []string{"base", "bare"} {
				s.expectDependents(name)
			}
		})
	}
}

func TestFunctionsOfThePackageItselfWin(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("base", "1"))
	p := pkg("own", "1", "base : f, lost")
	p.Spec.Functions = append(p.Spec.Functions, pm.FunctionDefinition{Key: "base.lost", Type: pm.FunctionBuiltin})
	s.mustCreate(p)
	s.expectDependents("base", "own : f")
	expectError(t, s.update("own", withoutFunction("base.lost")), "Invalid", `Not found: "base.lost"`)
	s.expectDependents("base", "own : f")
}

func TestAPackageThatGoesCannotBeDependedOn(t *testing.T) {
	s := newScene(t)
	going := pkg("going", "1")
	going.Finalizers = []string{"example.com/wait"}
	s.mustCreate(going)
	expectError(t, s.delete("going"), "")
	expectError(t, s.create(pkg("late", "1", "going")), "Invalid", "spec.dependencies[0].name", "is being deleted")
	expectError(t, s.update("going", func(p *pm.Package) { p.Finalizers = nil }), "")
	expectError(t, s.create(pkg("late", "1", "going")), "Invalid", "no such package")
}

func TestARefusalNamesAFewHundredOfThousandsOfFunctions(t *testing.T) {
	s := newScene(t)
	base := pkg("b", "1")
	base.Spec.Functions = nil
	const functions = 2000
	for i := range functions {
		base.Spec.Functions = append(base.Spec.Functions, pm.FunctionDefinition{Key: fmt.Sprint("f", i), Type: pm.FunctionBuiltin})
	}
	s.mustCreate(base)
	binding := func(name, prefix string) *pm.Package {
		p := pkg(name, "1", "b")
		for i := range functions {
			if i%500 == 0 {
				p.Spec.Classes = append(p.Spec.Classes, pm.ClassDefinition{Key: fmt.Sprint("C", i)})
			}
			class := &p.Spec.Classes[len(p.Spec.Classes)-1]
			class.FunctionBindings = append(class.FunctionBindings, pm.FunctionBinding{
				Name: fmt.Sprint("m", i), FunctionKey: fmt.Sprint("b.", prefix, i), AccessModifier: pm.AccessPublic,
			})
		}
		return p
	}
	expectFew := func(err error) {
		t.Helper()
		expectError(t, err, "Invalid", "more errors are not shown")
		var refusal apierrors.APIStatus
		if errors.As(err, &refusal); len(refusal.Status().Details.Causes) > 600 {
			t.Errorf("%d causes are told", len(refusal.Status().Details.Causes))
		}
	}
	expectFew(s.create(binding("a", "missing")))
	s.mustCreate(binding("a", "f"))
	expectFew(s.update("b", func(p *pm.Package) { p.Spec.Functions = nil }))
}

func TestTheListOfDependentsFollowsEveryWrite(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1.5"), pkg("c", "1.5"), pkg("z", "1", "b >=1 : g, f", "c"), pkg("a", "1", "b"))
	s.expectDependents("b", "a", "z >=1 : f g")
	s.expectDependents("c", "z")

	expectError(t, s.update("z", func(p *pm.Package) { setNeeds(p, "b >=1.2 : g") }), "")
	s.expectDependents("b", "a", "z >=1.2 : g")
	s.expectDependents("c")

	expectError(t, s.update("z", func(p *pm.Package) { setNeeds(p, "b ^2") }), "Invalid", "has version 1.5")
	s.expectDependents("b", "a", "z >=1.2 : g")

	expectError(t, s.delete("z"), "")
	s.expectDependents("b", "a")

	// A package that waits for a finalizer needs what it needs until it is gone.
	expectError(t, s.update("a", func(p *pm.Package) { p.Finalizers = []string{"example.com/wait"} }), "")
	expectError(t, s.delete("a"), "")
	s.expectDependents("b", "a")
	expectError(t, s.delete("b"), "Conflict", "a")
	expectError(t, s.update("a", func(p *pm.Package) { p.Finalizers = nil }), "")
	s.expectDependents("b")
	expectError(t, s.delete("b"), "")
}

func TestClientsCannotWriteTheList(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"), pkg("a", "1", "b"))
	s.expectDependents("b", "a")
	forged := pkg("forged", "1")
	forged.Status.Dependents = []pm.PackageDependent{{Name: "nobody"}}
	forged.Annotations = map[string]string{pm.PackageDependedOnAnnotation: "true"}
	s.mustCreate(forged)
	s.expectDependents("forged")

	if dependedOn(s.get("forged")) {
		t.Error("a client marked a package as one that is depended on")
	}

	forge := func(p *pm.Package) { p.Status.Dependents, p.Status.DependentCount, p.Annotations = nil, 9, nil }
	expectError(t, s.update("b", forge), "")
	if p := s.get("b"); len(p.Status.Dependents) != 1 || p.Status.DependentCount != 1 || !dependedOn(p) {
		t.Errorf("got the dependents %v, the count %d and the annotations %v of what is stored, want them unchanged",
			p.Status.Dependents, p.Status.DependentCount, p.Annotations)
	}
	s.expectDependents("b", "a")
}

func TestCyclesAreRefusedWithTheirPath(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("c", "1"), pkg("b", "1", "c"), pkg("a", "1", "b"), pkg("x", "1"))
	needs := func(names ...string) func(*pm.Package) {
		return func(p *pm.Package) { setNeeds(p, names...) }
	}
	expectError(t, s.update("c", needs("a")), "Invalid", "spec.dependencies[0].name", "c -> a -> b -> c")
	expectError(t, s.update("c", needs("x", "b")), "Invalid", "spec.dependencies[1].name", "c -> b -> c")
	s.expectDependents("a")
	s.expectDependents("b", "a")
	s.expectDependents("x")
	expectError(t, s.update("c", needs("c")), "Invalid", "cannot depend on itself")
	// Without the edge in the middle there is no circle.
	expectError(t, s.update("b", needs()), "")
	expectError(t, s.update("c", needs("a")), "")
	expectError(t, s.update("b", needs("c")), "Invalid", "b -> c -> a -> b")
}

func TestWhatOthersNeedStays(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("base", "1.5.0"), pkg("one", "1", "base ^1 : f"), pkg("two", "1", "base >=1.5 : f"), pkg("any", "1", "base"))
	for sentence, test := range map[string]struct {
		change func(*pm.Package)
		reason string
		says   []string
	}{
		"a version that leaves a range": {func(p *pm.Package) { p.Spec.Version = "2.0.0" }, "Invalid", []string{"spec.version", "one (^1)"}},
		"a version that leaves several": {func(p *pm.Package) { p.Spec.Version = "" }, "Invalid", []string{"one (^1), two (>=1.5)"}},
		"a function that is bound":      {withoutFunction("f"), "Invalid", []string{"spec.functions", `"f"`, "one, two"}},
		"a function that nobody binds":  {withoutFunction("g"), "", nil},
		"a version within all ranges":   {func(p *pm.Package) { p.Spec.Version = "1.9" }, "", nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			expectError(t, s.update("base", test.change), test.reason, test.says...)
		})
	}
}

func TestAPackageThatOthersDependOnIsNotDeleted(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("base", "1"))
	for i := range 11 {
		s.mustCreate(pkg(fmt.Sprintf("user-%02d", i), "1", "base"))
	}
	for _, policy := range []metav1.DeletionPropagation{
		metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan,
	} {
		expectError(t, s.delete("base", policy), "Conflict", "user-00", "user-07 and 3 more", "delete them first")
	}
	if p := s.get("base"); p.DeletionTimestamp != nil {
		t.Error("a refused delete marked the package")
	}
}

func TestDeploymentsAndTheirPackageGoTogether(t *testing.T) {
	const foreground, background, orphan = metav1.DeletePropagationForeground, metav1.DeletePropagationBackground, metav1.DeletePropagationOrphan
	for sentence, test := range map[string]struct {
		own, foreign, planned bool
		policy                metav1.DeletionPropagation
		reason                string
		waits                 bool
	}{
		"without deployments it is gone at once":                  {policy: background},
		"without deployments nothing is waited for":               {policy: foreground},
		"without deployments nothing is orphaned":                 {policy: orphan},
		"its own deployments may be in the making":                {planned: true, policy: background, waits: true},
		"its own deployments go with it":                          {own: true, policy: background, waits: true},
		"its own deployments go with it in the foreground":        {own: true, policy: foreground, waits: true},
		"its own deployments cannot be orphaned":                  {own: true, policy: orphan, reason: "Conflict"},
		"deployments of others keep it":                           {foreign: true, policy: background, reason: "Conflict"},
		"deployments of others go with it when that is asked for": {foreign: true, policy: foreground, waits: true},
		"deployments of others cannot be orphaned":                {foreign: true, policy: orphan, reason: "Conflict"},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := newScene(t)
			made := pkg("p", "1", "b : f")
			if test.planned {
				made.Spec.Deployments = []pm.PackageDeployment{{Name: "d", Spec: pm.ClassDeploymentSpec{ClassKey: "C", DeletionPolicy: pm.DeletionDelete}}}
			}
			s.mustCreate(pkg("b", "1"), made)
			if test.own {
				s.deployments.all = append(s.deployments.all, deployment("own", metav1.OwnerReference{UID: s.get("p").UID}))
			}
			if test.foreign {
				s.deployments.all = append(s.deployments.all, deployment("foreign", metav1.OwnerReference{UID: "another"}))
			}
			expectError(t, s.delete("p", test.policy), test.reason)
			switch p := s.get("p"); {
			case test.reason != "":
				if p == nil || p.DeletionTimestamp != nil {
					t.Errorf("a refused delete left %v", p)
				}
			case !test.waits:
				if p != nil {
					t.Errorf("the package is still there, with the finalizers %v", p.Finalizers)
				}
			default:
				if p == nil || p.DeletionTimestamp == nil || len(p.Finalizers) != 1 || p.Finalizers[0] != pm.PackageFinalizer || p.Generation != 2 {
					t.Fatalf("got %+v, want a package that waits for the controller", p)
				}
				expectError(t, s.delete("p", test.policy), "")
				expectError(t, s.update("p", func(p *pm.Package) { p.Finalizers = nil }), "")
				if s.get("p") != nil {
					t.Error("the package is still there without its finalizer")
				}
				s.expectDependents("b")
			}
		})
	}
}

func deployment(name string, owner metav1.OwnerReference) *pm.ClassDeployment {
	return &pm.ClassDeployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, OwnerReferences: []metav1.OwnerReference{owner}},
		Spec:       pm.ClassDeploymentSpec{PackageName: "p", ClassKey: "C"},
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"), pkg("c", "1", "b"), pkg("used", "1"))
	s.deployments.all = append(s.deployments.all, deployment("own", metav1.OwnerReference{UID: s.get("used").UID}))
	s.deployments.all[0].Spec.PackageName = "used"
	before := map[string]string{}
	for _, name := range []string{"b", "c", "used"} {
		before[name] = s.get(name).ResourceVersion
	}
	dry := []string{metav1.DryRunAll}
	create := func(p *pm.Package) error {
		_, err := s.one.Create(s.ctx(), p, rest.ValidateAllObjectFunc, &metav1.CreateOptions{DryRun: dry})
		return err
	}
	update := func(name string, change func(*pm.Package)) error {
		info := rest.DefaultUpdatedObjectInfo(nil, func(_ context.Context, _, existing runtime.Object) (runtime.Object, error) {
			p := existing.DeepCopyObject().(*pm.Package)
			change(p)
			return p, nil
		})
		_, _, err := s.one.Update(s.ctx(), name, info, rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false, &metav1.UpdateOptions{DryRun: dry})
		return err
	}
	remove := func(name string) error {
		_, _, err := s.one.Delete(s.ctx(), name, rest.ValidateAllObjectFunc, &metav1.DeleteOptions{DryRun: dry})
		return err
	}
	expectError(t, create(pkg("new", "1", "b", "c")), "")
	expectError(t, create(pkg("new", "1", "gone")), "Invalid", "no such package")
	expectError(t, update("b", func(p *pm.Package) { setNeeds(p, "c") }), "Invalid", "b -> c -> b")
	expectError(t, update("c", func(p *pm.Package) { setNeeds(p) }), "")
	expectError(t, remove("b"), "Conflict")
	expectError(t, remove("c"), "")
	expectError(t, remove("used"), "")
	if s.get("new") != nil {
		t.Error("a dry run made a package")
	}
	for name, version := range before {
		if p := s.get(name); p == nil || p.ResourceVersion != version {
			t.Errorf("a dry run changed %s", name)
		}
	}
}

func TestGeneratedNamesAreListed(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"))
	p := pkg("", "1", "b")
	p.GenerateName = "made-"
	p.Spec.Classes = []pm.ClassDefinition{{Key: "C", StateSpec: &pm.StateSpec{ConsistencyModel: pm.ConsistencyNone}}}
	p.Spec.Deployments = []pm.PackageDeployment{{Name: "d", Spec: pm.ClassDeploymentSpec{ClassKey: "C", DeletionPolicy: pm.DeletionDelete}}}
	obj, err := s.one.Create(s.ctx(), p, rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	made := obj.(*pm.Package)
	if got := made.Spec.Deployments[0].Spec.PackageName; got != made.Name {
		t.Errorf("the deployment is of package %q, want %q", got, made.Name)
	}
	s.expectDependents("b", made.Name)
}

func TestAPutThatCreatesIsListed(t *testing.T) {
	s := newScene(t)
	s.mustCreate(pkg("b", "1"))
	put := func(p *pm.Package) error {
		_, _, err := s.two.Update(s.ctx(), p.Name, rest.DefaultUpdatedObjectInfo(p), rest.ValidateAllObjectFunc,
			rest.ValidateAllObjectUpdateFunc, false, &metav1.UpdateOptions{})
		return err
	}
	expectError(t, put(pkg("a", "1", "gone")), "Invalid", "no such package")
	expectError(t, put(pkg("a", "1", "b : f")), "")
	s.expectDependents("b", "a : f")
	expectError(t, put(pkg("a", "1", "b : g")), "")
	s.expectDependents("b", "a : g")
}
