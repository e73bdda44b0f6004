// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployments

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/pm"
)

func TestDeployable(t *testing.T) {
	for sentence, test := range map[string]struct {
		change func(shop, images *pm.Package)
		says   string
	}{
		"what is enabled":                        {func(_, _ *pm.Package) {}, ""},
		"a disabled package":                     {func(shop, _ *pm.Package) { shop.Spec.Disabled = true }, `package "shop" is disabled`},
		"a package that is being deleted":        {func(shop, _ *pm.Package) { shop.DeletionTimestamp = new(metav1.Now()) }, `package "shop" is being deleted`},
		"a disabled class":                       {func(shop, _ *pm.Package) { shop.Spec.Classes[0].Disabled = true }, `class "Cart" of package "shop" is disabled`},
		"another class that is disabled":         {func(shop, _ *pm.Package) { shop.Spec.Classes[1].Disabled = true }, ""},
		"a disabled function":                    {func(shop, _ *pm.Package) { shop.Spec.Functions[0].Disabled = true }, `function "add" of package "shop" is disabled`},
		"a disabled function of a dependency":    {func(_, images *pm.Package) { images.Spec.Functions[0].Disabled = true }, `function "resize" of package "images" is disabled`},
		"a disabled function that is not bound":  {func(_, images *pm.Package) { images.Spec.Functions[1].Disabled = true }, ""},
		"a disabled dependency that is bound":    {func(_, images *pm.Package) { images.Spec.Disabled = true }, `package "images" is disabled`},
		"a class that the package does not have": {func(shop, _ *pm.Package) { shop.Spec.Classes = nil }, ""},
		"a dependency that does not exist":       {func(_, images *pm.Package) { images.Name = "gone" }, ""},
		"a package that does not exist":          {func(shop, _ *pm.Package) { shop.Name = "gone" }, ""},
		"a function that nobody defines":         {func(shop, _ *pm.Package) { shop.Spec.Functions = nil }, ""},
		"an own function of a dependency's name": {func(shop, images *pm.Package) {
			shop.Spec.Functions = append(shop.Spec.Functions, pm.FunctionDefinition{Key: "images.resize"})
			images.Spec.Functions[0].Disabled = true
		}, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			shop := &pm.Package{
				ObjectMeta: metav1.ObjectMeta{Name: "shop"},
				Spec: pm.PackageSpec{
					Functions: []pm.FunctionDefinition{{Key: "add"}},
					Classes: []pm.ClassDefinition{
						{Key: "Cart", FunctionBindings: []pm.FunctionBinding{{Name: "add", FunctionKey: "add"}, {Name: "show", FunctionKey: "images.resize"}}},
						{Key: "Shelf"},
					},
				},
			}
			images := &pm.Package{
				ObjectMeta: metav1.ObjectMeta{Name: "images"},
				Spec:       pm.PackageSpec{Functions: []pm.FunctionDefinition{{Key: "resize"}, {Key: "crop"}}},
			}
			test.change(shop, images)
			d := &pm.ClassDeployment{ObjectMeta: metav1.ObjectMeta{Name: "cart"}, Spec: pm.ClassDeploymentSpec{PackageName: "shop", ClassKey: "Cart"}}
			err := deployable(d, func(name string) (*pm.Package, error) {
				for _, p := range []*pm.Package{shop, images} {
					if p.Name == name {
						return p, nil
					}
				}
				return nil, nil
			})
			if test.says == "" {
				if err != nil {
					t.Errorf("got %v, want no error", err)
				}
			} else if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want 403 with %q", err, test.says)
			}
		})
	}
}

func TestDeployableTellsThatItCannotKnow(t *testing.T) {
	broken := errors.New("etcd is away")
	err := deployable(&pm.ClassDeployment{}, func(string) (*pm.Package, error) { return nil, broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want the reason why packages cannot be read", err)
	}
}
