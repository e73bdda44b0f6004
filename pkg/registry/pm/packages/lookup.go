// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/storage"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

// byDependency is the index of packages by those that they depend on.
const byDependency = "spec.dependencies.name"

// dependenciesOf are the values of the index for a package.
func dependenciesOf(p *pm.Package) []string {
	keys := make([]string, 0, len(p.Spec.Dependencies))
	for _, dependency := range p.Spec.Dependencies {
		keys = append(keys, indexKey(p.Namespace, dependency.Name))
	}
	return keys
}

func indexKey(namespace, name string) string { return namespace + "/" + name }

// dependingOn has the watch cache take packages from the index. Anything else that
// answers gives more than was asked for.
type dependingOn struct {
	fields.Selector
	key string
}

func newDependingOn(namespace, name string) dependingOn {
	return dependingOn{Selector: fields.Everything(), key: indexKey(namespace, name)}
}

func (dependingOn) Empty() bool { return false }

func (d dependingOn) RequiresExactMatch(name string) (string, bool) {
	if name == byDependency {
		return d.key, true
	}
	return "", false
}

func (d dependingOn) DeepCopySelector() fields.Selector { return d }

// asCached reads whatever the watch cache has.
const asCached = "0"

// dependents are the packages that depend on another one, by name, at a revision
// of etcd or later. The answer is that of the watch cache's index, once the cache is
// as new as that.
func (e *edges) dependents(ctx context.Context, namespace, name, revision string) ([]dependent, error) {
	root := e.store.KeyRootFunc(genericapirequest.WithNamespace(ctx, namespace))
	options := storage.ListOptions{
		ResourceVersion: revision, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
		Predicate: e.store.PredicateFunc(labels.Everything(), newDependingOn(namespace, name)), Recursive: true,
	}
	options.Predicate.IndexFields = []string{byDependency}
	if revision != asCached {
		defer stored.AskForProgress(ctx, e.store.Storage.Storage)()
	}
	list := &pm.PackageList{}
	err := e.store.Storage.GetList(ctx, root, options, list)
	if storage.IsTooLargeResourceVersion(err) {
		// The cache did not get there in time. etcd itself knows, but has no index.
		options.ResourceVersion, options.ResourceVersionMatch = "", ""
		list = &pm.PackageList{}
		err = e.store.Storage.GetList(ctx, root, options, list)
	}
	var answer apierrors.APIStatus
	if errors.As(err, &answer) {
		// It tells the client what to do, such as to come back later.
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("look for packages that depend on %q: %w", name, err)
	}
	var found []dependent
	for i := range list.Items {
		p := &list.Items[i]
		if needed, needs := needsOf(p)[name]; needs && p.Namespace == namespace {
			found = append(found, dependent{name: p.Name, need: needed})
		}
	}
	sortByName(found)
	return found, nil
}
