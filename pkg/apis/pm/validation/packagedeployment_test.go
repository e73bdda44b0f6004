// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package validation_test

import (
	"testing"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/validation"
)

func packageWithDeployments(change func(first *pm.PackageDeployment)) *pm.Package {
	p := validPackage()
	spec := validClassDeployment().Spec
	p.Spec.Deployments = []pm.PackageDeployment{
		{Name: "cart", Labels: map[string]string{"tier": "gold"}, Annotations: map[string]string{"note": "a b"}, Spec: spec},
		{Name: "cart-edge", Spec: pm.ClassDeploymentSpec{ClassKey: "shop.Cart", DeletionPolicy: pm.DeletionDelete}},
	}
	change(&p.Spec.Deployments[0])
	return p
}

func TestValidatePackageDeployments(t *testing.T) {
	const first = "spec.deployments[0]"
	for sentence, test := range map[string]struct {
		change func(*pm.PackageDeployment)
		want   []string
	}{
		"deployments of the package's classes":       {func(*pm.PackageDeployment) {}, nil},
		"one without a name":                         {func(d *pm.PackageDeployment) { d.Name = "" }, []string{required + first + ".name"}},
		"a name that no ClassDeployment can have":    {func(d *pm.PackageDeployment) { d.Name = "a.b" }, []string{invalid + first + ".name"}},
		"a name that is there twice":                 {func(d *pm.PackageDeployment) { d.Name = "cart-edge" }, []string{duplicate + "spec.deployments[1]"}},
		"a label that none can be":                   {func(d *pm.PackageDeployment) { d.Labels["tier"] = "a b" }, []string{invalid + first + ".labels"}},
		"an annotation that none can be":             {func(d *pm.PackageDeployment) { d.Annotations["a b"] = "" }, []string{invalid + first + ".annotations"}},
		"a deployment of another package":            {func(d *pm.PackageDeployment) { d.Spec.PackageName = "other" }, []string{invalid + first + ".spec.packageName"}},
		"a class that the package does not have":     {func(d *pm.PackageDeployment) { d.Spec.ClassKey = "Shelf" }, []string{invalid + first + ".spec.classKey"}},
		"no class":                                   {func(d *pm.PackageDeployment) { d.Spec.ClassKey = "" }, []string{required + first + ".spec.classKey"}},
		"requirements that no ClassDeployment takes": {func(d *pm.PackageDeployment) { d.Spec.NFR.Availability = "99%" }, []string{invalid + first + ".spec.nfr.availability"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := packageWithDeployments(test.change)
			expectErrors(t, declared(t, resources.Packages, p, nil, validation.ValidatePackage(p)), test.want)
		})
	}
}

func TestADeploymentOfAPackageStaysOnItsClass(t *testing.T) {
	withShelf := func(change func(*pm.PackageDeployment)) *pm.Package {
		p := packageWithDeployments(change)
		shelf := p.Spec.Classes[0]
		shelf.Key = "Shelf"
		p.Spec.Classes = append(p.Spec.Classes, shelf)
		return p
	}
	old := withShelf(func(*pm.PackageDeployment) {})
	for sentence, test := range map[string]struct {
		change func(*pm.PackageDeployment)
		want   []string
	}{
		"another class of the same deployment is refused": {func(d *pm.PackageDeployment) { d.Spec.ClassKey = "Shelf" }, []string{invalid + "spec.deployments[0].spec.classKey"}},
		"another class under another name is accepted":    {func(d *pm.PackageDeployment) { d.Name, d.Spec.ClassKey = "shelf", "Shelf" }, nil},
		"other requirements are accepted":                 {func(d *pm.PackageDeployment) { d.Spec.NFR.Availability = "0.9" }, nil},
		"the package may be named or not":                 {func(d *pm.PackageDeployment) { d.Spec.PackageName = "" }, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := withShelf(test.change)
			expectErrors(t, declared(t, resources.Packages, p, old, validation.ValidatePackageUpdate(p, old)), test.want)
		})
	}
}

func TestFunctionsOfDependenciesMayBeBound(t *testing.T) {
	const path = "spec.classes[0].functionBindings[0].functionKey"
	for sentence, test := range map[string]struct {
		key  string
		want []string
	}{
		"a function of a dependency":                       {"base.resize", nil},
		"a function of a dependency, with dots of its own": {"base.Image.resize", nil},
		"a function of a package that is no dependency":    {"other.resize", []string{invalid + path}},
		"a dependency without a function":                  {"base.", []string{invalid + path}},
		"a function that cannot be one":                    {"base..x", []string{invalid + path}},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := validPackage()
			p.Spec.Classes[0].FunctionBindings[0].FunctionKey = test.key
			expectErrors(t, validation.ValidatePackage(p), test.want)
		})
	}
}
