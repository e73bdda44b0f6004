// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cached finds things in what informers hold, for the controllers that
// look at the same objects from different sides.
package cached

import (
	"k8s.io/client-go/tools/cache"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// FinalState is the object of an event, also of a deletion that was only noticed
// afterwards; the zero value for an object of another type.
func FinalState[T any](obj any) T {
	if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	object, _ := obj.(T)
	return object
}

// Find returns the objects of type T that an index has under a value, in no order.
// They belong to the cache. The index must be one of the indexer's.
func Find[T any](indexer cache.Indexer, index, value string) []T {
	// The only error is an index that does not exist.
	found, _ := indexer.ByIndex(index, value)
	objects := make([]T, 0, len(found))
	for _, obj := range found {
		if object, ok := obj.(T); ok {
			objects = append(objects, object)
		}
	}
	return objects
}

// PackageOfDeployment indexes ClassDeployments by namespace/name of the package
// that they use.
func PackageOfDeployment(obj any) ([]string, error) {
	deployment, ok := obj.(*pmv1alpha1.ClassDeployment)
	if !ok {
		return nil, nil
	}
	return []string{deployment.Namespace + "/" + deployment.Spec.PackageName}, nil
}

// DependenciesOfPackage indexes Packages by namespace/name of those that they
// depend on.
func DependenciesOfPackage(obj any) ([]string, error) {
	pkg, ok := obj.(*pmv1alpha1.Package)
	if !ok {
		return nil, nil
	}
	names := make([]string, 0, len(pkg.Spec.Dependencies))
	for _, dependency := range pkg.Spec.Dependencies {
		names = append(names, pkg.Namespace+"/"+dependency.Name)
	}
	return names, nil
}
