// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package cached

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

func TestFinalState(t *testing.T) {
	pkg := &pmv1alpha1.Package{ObjectMeta: metav1.ObjectMeta{Name: "store"}}
	for name, test := range map[string]struct {
		event any
		want  *pmv1alpha1.Package
	}{
		"an object is itself":                                {event: pkg, want: pkg},
		"a deletion that was noticed late has what was last": {event: cache.DeletedFinalStateUnknown{Key: "shop/store", Obj: pkg}, want: pkg},
		"an object of another type is nothing":               {event: &pmv1alpha1.Cluster{}},
		"nor is its late deletion":                           {event: cache.DeletedFinalStateUnknown{Obj: &pmv1alpha1.Cluster{}}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := FinalState[*pmv1alpha1.Package](test.event); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestDependentsAndUsersAreFoundInTheirNamespaceAlone(t *testing.T) {
	packages := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{"dependency": DependenciesOfPackage})
	deployments := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{"package": PackageOfDeployment})
	for _, namespace := range []string{"shop", "other"} {
		for _, name := range []string{"web", "api"} {
			err := packages.Add(&pmv1alpha1.Package{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
				Spec:       pmv1alpha1.PackageSpec{Dependencies: []pmv1alpha1.PackageDependency{{Name: "base"}, {Name: "of-" + name}}},
			})
			if err != nil {
				t.Fatal(err)
			}
			err = deployments.Add(&pmv1alpha1.ClassDeployment{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: pmv1alpha1.ClassDeploymentSpec{PackageName: "of-" + name},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for value, want := range map[string][]string{"shop/base": {"shop/api", "shop/web"}, "shop/of-web": {"shop/web"}, "shop/web": nil} {
		if got := keys(Find[*pmv1alpha1.Package](packages, "dependency", value)); !slices.Equal(got, want) {
			t.Errorf("dependents of %s are %q, want %q", value, got, want)
		}
	}
	if got := keys(Find[*pmv1alpha1.ClassDeployment](deployments, "package", "other/of-api")); !slices.Equal(got, []string{"other/api"}) {
		t.Errorf("deployments of other/of-api are %q, want other/api", got)
	}
}

func keys[T metav1.Object](objects []T) []string {
	var keys []string
	for _, object := range objects {
		keys = append(keys, object.GetNamespace()+"/"+object.GetName())
	}
	slices.Sort(keys)
	return keys
}
