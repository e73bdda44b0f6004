// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// packageItem is a package of a file that depends on others.
func packageItem(t *testing.T, name string, dependencies ...string) item {
	t.Helper()
	p := &pmv1alpha1.Package{
		TypeMeta:   metav1.TypeMeta{APIVersion: pmv1alpha1.SchemeGroupVersion.String(), Kind: "Package"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
	}
	for _, dependency := range dependencies {
		p.Spec.Dependencies = append(p.Spec.Dependencies, pmv1alpha1.PackageDependency{Name: dependency})
	}
	return item{Unstructured: toUnstructured(t, p), kind: kindNamed("Package")}
}

func TestPackagesAreAppliedAfterWhatTheyDependOn(t *testing.T) {
	for name, test := range map[string]struct {
		items []item
		want  string
	}{
		"packages that do not know each other go together": {[]item{packageItem(t, "a"), packageItem(t, "b")}, "a b"},
		"a chain goes from its end":                        {[]item{packageItem(t, "a", "b"), packageItem(t, "b", "c"), packageItem(t, "c")}, "c, b, a"},
		"what the files do not hold is not waited for":     {[]item{packageItem(t, "a", "elsewhere")}, "a"},
		"two that need one go together after it":           {[]item{packageItem(t, "a", "c"), packageItem(t, "b", "c"), packageItem(t, "c")}, "c, a b"},
		"a circle is the server's to refuse":               {[]item{packageItem(t, "a", "b"), packageItem(t, "b", "a"), packageItem(t, "c")}, "c, a b"},
		"a package that needs itself as well":              {[]item{packageItem(t, "a", "a")}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, wave := range waves(test.items) {
				var names []string
				for _, i := range wave {
					names = append(names, test.items[i].GetName())
				}
				got = append(got, strings.Join(names, " "))
			}
			if strings.Join(got, ", ") != test.want {
				t.Errorf("waves are %q, want %q", strings.Join(got, ", "), test.want)
			}
		})
	}
}

func TestPackagesAreDeletedBeforeWhatTheyDependOn(t *testing.T) {
	targets := []target{{name: "c"}, {name: "a", needs: []string{"/b"}}, {name: "b", needs: []string{"/c"}}}
	var got []string
	for _, wave := range dependentsFirst(targets) {
		for _, one := range wave {
			got = append(got, one.name)
		}
	}
	if strings.Join(got, " ") != "a b c" {
		t.Errorf("they go in the order %v, want a b c", got)
	}
}

func TestNeighbours(t *testing.T) {
	before := packageItem(t, "d", "e")
	d := packageItem(t, "d")
	d.before = before.Unstructured
	items := []item{packageItem(t, "a", "b"), packageItem(t, "b"), packageItem(t, "c"), d, packageItem(t, "e")}
	for i, want := range []bool{true, true, false, true, true} {
		if got := hasNeighbours(items, i); got != want {
			t.Errorf("%s has neighbours: %t, want %t", items[i].GetName(), got, want)
		}
	}
}

func TestRefusalsThatAnotherPackageMayBeTheReasonOf(t *testing.T) {
	resource := schema.GroupResource{Group: "pm.oaas.io", Resource: "packages"}
	invalid := func(paths ...string) error {
		var errs field.ErrorList
		for _, path := range paths {
			errs = append(errs, &field.Error{Type: field.ErrorTypeInvalid, Field: path})
		}
		return apierrors.NewInvalid(schema.GroupKind{Kind: "Package"}, "a", errs)
	}
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"an unknown dependency":                        {invalid("spec.dependencies[0].name"), true},
		"a function that the dependency lacks":         {invalid("spec.classes[0].functionBindings[1].functionKey"), true},
		"a version that dependents do not accept":      {invalid("spec.version"), true},
		"something of its own":                         {invalid("spec.classes[0].key"), false},
		"both":                                         {invalid("spec.dependencies[0].name", "spec.classes[0].key"), false},
		"a conflict with another package":              {apierrors.NewConflict(resource, "a", errors.New("depends")), true},
		"a conflict about the owner of a field":        {apierrors.NewApplyConflict([]metav1.StatusCause{{Field: ".spec.version"}}, "conflict"), false},
		"no right to write":                            {apierrors.NewForbidden(resource, "a", errors.New("no")), false},
		"no server":                                    {errors.New("connection refused"), false},
		"the explanation of a refusal is seen through": {fmt.Errorf("x: %w", explainItem(packageItem(t, "a"), invalid("spec.dependencies[0].name"))), true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := isAboutOthers(test.err); got != test.want {
				t.Errorf("%v is about others: %t, want %t", test.err, got, test.want)
			}
		})
	}
}

// makePlan creates one unit and removes another.
func makePlan() *pmv1alpha1.ClassDeploymentPlan {
	return &pmv1alpha1.ClassDeploymentPlan{
		ObjectMeta: metav1.ObjectMeta{Name: "cart"},
		Plan: pmv1alpha1.Plan{
			Requirements:         pmv1alpha1.ComputedRequirements{ReplicationFactor: 2, MinReplicas: 2, MaxReplicas: 4},
			AchievedAvailability: "0.995",
			Units: []pmv1alpha1.PlannedUnit{
				{Cluster: "north", DeploymentID: "cart-1", Environment: "dev", Action: pmv1alpha1.PlanCreate, Template: "knative", Functions: []pmv1alpha1.PlannedFunction{
					{Key: "Cart.add", Image: "r/add:1", MinReplicas: 2, MaxReplicas: 4}, {Key: "images.resize", Image: "r/resize:1", MinReplicas: 1, MaxReplicas: 1},
				}},
				{Cluster: "south", DeploymentID: "cart-2", Environment: "edge", Action: pmv1alpha1.PlanRemove},
			},
		},
	}
}

func haltedPlan() *pmv1alpha1.ClassDeploymentPlan {
	return &pmv1alpha1.ClassDeploymentPlan{
		ObjectMeta: metav1.ObjectMeta{Name: "cart"},
		Plan: pmv1alpha1.Plan{Halted: true, Problems: []pmv1alpha1.PlanProblem{
			{Reason: "PackageNotFound", Message: "spec.packageName: package \"shop\" does not exist"},
		}},
	}
}
