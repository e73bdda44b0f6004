// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// makePackage has a class, two functions and what the changes add.
func makePackage(changes ...func(*pmv1alpha1.Package)) *pmv1alpha1.Package {
	p := &pmv1alpha1.Package{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "store", UID: "store", Generation: 2},
		Spec: pmv1alpha1.PackageSpec{
			Classes:   []pmv1alpha1.ClassDefinition{{Key: "Cart"}},
			Functions: []pmv1alpha1.FunctionDefinition{{Key: "add"}, {Key: "remove"}},
		},
	}
	for _, change := range changes {
		change(p)
	}
	return p
}

func dependingOn(name, versionRange string) func(*pmv1alpha1.Package) {
	return func(p *pmv1alpha1.Package) {
		p.Spec.Dependencies = append(p.Spec.Dependencies, pmv1alpha1.PackageDependency{Name: name, Version: versionRange})
	}
}

func deploying(names ...string) func(*pmv1alpha1.Package) {
	return func(p *pmv1alpha1.Package) {
		for _, name := range names {
			p.Spec.Deployments = append(p.Spec.Deployments, pmv1alpha1.PackageDeployment{Name: name, Spec: pmv1alpha1.ClassDeploymentSpec{ClassKey: "Cart"}})
		}
	}
}

func disabled(p *pmv1alpha1.Package) { p.Spec.Disabled = true }

func existing(name, version string) map[string]*pmv1alpha1.Package {
	return map[string]*pmv1alpha1.Package{name: {ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: pmv1alpha1.PackageSpec{Version: version}}}
}

func TestConditions(t *testing.T) {
	for name, test := range map[string]struct {
		pkg  *pmv1alpha1.Package
		seen observation
		want []string
	}{
		"a package that stands alone is ready": {
			pkg:  makePackage(),
			want: []string{"DependenciesResolved True Resolved", "Ready True Published"},
		},
		"a disabled package is not": {
			pkg:  makePackage(disabled),
			want: []string{"DependenciesResolved True Resolved", "Ready False Disabled"},
		},
		"a dependency that fits": {
			pkg: makePackage(dependingOn("images", "^1")), seen: observation{dependencies: existing("images", "1.2.0")},
			want: []string{"DependenciesResolved True Resolved", "Ready True Published"},
		},
		"a dependency that is missing is named": {
			pkg:  makePackage(dependingOn("images", "^1")),
			want: []string{`DependenciesResolved False DependencyMissing package "images" does not exist in namespace "shop": create it`, "Ready False DependenciesUnresolved"},
		},
		"a dependency in a version that does not fit is named with both": {
			pkg: makePackage(dependingOn("images", ">=2")), seen: observation{dependencies: existing("images", "1.2.0")},
			want: []string{`DependenciesResolved False DependencyUnsatisfied package "images" has version "1.2.0", which is not in the range ">=2"`, "Ready False DependenciesUnresolved"},
		},
		"its own deployments are as it says": {
			pkg:  makePackage(deploying("a", "b")),
			want: []string{"DependenciesResolved True Resolved", "DeploymentsApplied True Applied 2 deployments as the package says", "Ready True Published"},
		},
		"somebody else has the name of one": {
			pkg: makePackage(deploying("a")), seen: observation{applied: applied{conflict: "class deployment a exists", waiting: "class deployment b is being deleted"}},
			want: []string{"DependenciesResolved True Resolved", "DeploymentsApplied False Conflict class deployment a exists; class deployment b is being deleted", "Ready True Published"},
		},
		"what is not known is not told": {
			pkg: makePackage(deploying("a")), seen: observation{applied: applied{unknown: true}},
			want: []string{"DependenciesResolved True Resolved", "Ready True Published"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			status := nextStatus(test.pkg, test.seen, now)
			if len(status.Conditions) != len(test.want) {
				t.Errorf("conditions are %+v, want %q", status.Conditions, test.want)
			}
			for _, want := range test.want {
				kind, _, _ := strings.Cut(want, " ")
				c := meta.FindStatusCondition(status.Conditions, kind)
				if c == nil || !strings.HasPrefix(fmt.Sprintf("%s %s %s %s", c.Type, c.Status, c.Reason, c.Message), want) || c.ObservedGeneration != 2 {
					t.Errorf("condition is %+v, want %q", c, want)
				}
			}
		})
	}
}

func TestTheStatusCountsAndChangesOnlyWithWhatItTells(t *testing.T) {
	pkg := makePackage(deploying("a"))
	pkg.Status.Dependents, pkg.Status.DependentCount = []pmv1alpha1.PackageDependent{{Name: "web"}}, 1
	pkg.Status = nextStatus(pkg, observation{users: []string{"b", "a"}}, now)
	if pkg.Status.ClassCount != 1 || pkg.Status.FunctionCount != 2 || !slices.Equal(pkg.Status.Deployments, []string{"a", "b"}) || pkg.Status.DeploymentCount != 2 || pkg.Status.ObservedGeneration != 2 {
		t.Errorf("status is %+v, want 1 class, 2 functions, deployments a and b, generation 2", pkg.Status)
	}
	if len(pkg.Status.Dependents) != 1 || pkg.Status.DependentCount != 1 {
		t.Error("the dependents are gone, which the API server keeps")
	}
	if again := nextStatus(pkg, observation{users: []string{"a", "b"}}, now.Add(time.Hour)); !apiequality.Semantic.DeepEqual(pkg.Status, again) {
		t.Errorf("a second look changed the status from %+v to %+v", pkg.Status, again)
	}
	disabled(pkg)
	ready := meta.FindStatusCondition(nextStatus(pkg, observation{}, now.Add(time.Hour)).Conditions, pmv1alpha1.PackageReady)
	if !ready.LastTransitionTime.Time.Equal(now.Add(time.Hour)) {
		t.Errorf("Ready is %+v, want False since the package was disabled", ready)
	}
	pkg.Spec.Deployments = nil
	if c := meta.FindStatusCondition(nextStatus(pkg, observation{}, now).Conditions, pmv1alpha1.PackageDeploymentsApplied); c == nil || c.Status != metav1.ConditionTrue {
		t.Errorf("DeploymentsApplied is %+v for a package whose list got empty, want True", c)
	}
}

// A status that names all of them would exceed what etcd stores of one object.
func TestTheStatusNamesTheFirstDeploymentsAndCountsAll(t *testing.T) {
	many := make([]string, 0, 10_000)
	for i := range cap(many) {
		many = append(many, fmt.Sprintf("deployment-of-a-long-name-such-as-people-give-%05d", cap(many)-1-i))
	}
	ordered := slices.Sorted(slices.Values(many))
	for name, test := range map[string]struct {
		users []string
		want  []string
	}{
		"none":                     {},
		"as many as are listed":    {many[:listedDeployments], slices.Sorted(slices.Values(many[:listedDeployments]))},
		"one more than are listed": {ordered[:listedDeployments+1], ordered[:listedDeployments]},
		"ten thousand":             {many, ordered[:listedDeployments]},
	} {
		t.Run(name, func(t *testing.T) {
			given := slices.Clone(test.users)
			for state, status := range map[string]pmv1alpha1.PackageStatus{
				"stays": nextStatus(makePackage(), observation{users: test.users}, now),
				"goes":  terminatingStatus(makePackage(), test.users, now),
			} {
				if !slices.Equal(status.Deployments, test.want) {
					t.Errorf("a package that %s lists %d deployments, %.3q first, want %d, %.3q first",
						state, len(status.Deployments), status.Deployments, len(test.want), test.want)
				}
				if int(status.DeploymentCount) != len(test.users) {
					t.Errorf("a package that %s counts %d deployments, want %d", state, status.DeploymentCount, len(test.users))
				}
			}
			if !slices.Equal(given, test.users) {
				t.Error("what was observed was changed")
			}
		})
	}
	message := meta.FindStatusCondition(terminatingStatus(makePackage(), many, now).Conditions, pmv1alpha1.PackageReady).Message
	if want := "and 9992 more"; !strings.HasSuffix(message, want) {
		t.Errorf("a package that goes says %q, want it to end with %q", message, want)
	}
}

func TestATerminatingPackageCountsWhatIsLeft(t *testing.T) {
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprintf("d%02d", i))
	}
	for name, test := range map[string]struct {
		left []string
		want string
	}{
		"none": {nil, "the package is being deleted"},
		"one":  {names[:1], "the package is being deleted and waits for 1 class deployment to be undeployed: d00"},
		"many": {names, "the package is being deleted and waits for 12 class deployments to be undeployed: d00, d01, d02, d03, d04, d05, d06, d07 and 4 more"},
	} {
		t.Run(name, func(t *testing.T) {
			ready := meta.FindStatusCondition(terminatingStatus(makePackage(), test.left, now).Conditions, pmv1alpha1.PackageReady)
			if ready.Status != metav1.ConditionFalse || ready.Reason != ReasonTerminating || ready.Message != test.want {
				t.Errorf("Ready is %+v, want False, Terminating, %q", ready, test.want)
			}
		})
	}
}

func TestWhatAnEventIsMadeOf(t *testing.T) {
	condition := func(kind string, status metav1.ConditionStatus, reason string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: reason}
	}
	for name, test := range map[string]struct {
		pkg           *pmv1alpha1.Package
		before, after metav1.Condition
		want          string
	}{
		"a package that was published":              {after: condition("Ready", "True", ReasonPublished), want: corev1.EventTypeNormal},
		"a package that was disabled":               {before: condition("Ready", "True", ReasonPublished), after: condition("Ready", "False", ReasonDisabled), want: corev1.EventTypeNormal},
		"a package that goes":                       {before: condition("Ready", "True", ReasonPublished), after: condition("Ready", "False", ReasonTerminating), want: corev1.EventTypeNormal},
		"unresolved dependencies are told once":     {after: condition("Ready", "False", ReasonDependenciesUnresolved)},
		"a dependency that is missing":              {after: condition("DependenciesResolved", "False", ReasonMissing), want: corev1.EventTypeWarning},
		"dependencies where there are none":         {after: condition("DependenciesResolved", "True", ReasonResolved)},
		"dependencies that fit from the beginning":  {pkg: makePackage(dependingOn("a", "")), after: condition("DependenciesResolved", "True", ReasonResolved), want: corev1.EventTypeNormal},
		"deployments that were made":                {after: condition("DeploymentsApplied", "True", ReasonApplied)},
		"a deployment of somebody else":             {after: condition("DeploymentsApplied", "False", ReasonConflict), want: corev1.EventTypeWarning},
		"a conflict that is over":                   {before: condition("DeploymentsApplied", "False", ReasonConflict), after: condition("DeploymentsApplied", "True", ReasonApplied), want: corev1.EventTypeNormal},
		"waiting for a deployment to go":            {after: condition("DeploymentsApplied", "False", ReasonWaiting)},
		"a deployment that was waited for is there": {before: condition("DeploymentsApplied", "False", ReasonWaiting), after: condition("DeploymentsApplied", "True", ReasonApplied)},
	} {
		t.Run(name, func(t *testing.T) {
			pkg, before := test.pkg, &test.before
			if pkg == nil {
				pkg = makePackage()
			}
			if before.Type == "" {
				before = nil
			}
			kind, worth := eventType(pkg, test.after, before)
			if worth != (test.want != "") || worth && kind != test.want {
				t.Errorf("event of type %s: %t, want %q", kind, worth, test.want)
			}
		})
	}
}
