// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packageservice

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/reports"
)

// anyVersion has reads answered by the server's own cache.
const anyVersion = "0"

// Objects reads what the service needs to know from the stores of the server, by
// their caches: nothing goes through HTTP or to etcd.
type Objects struct {
	packages, deployments, clusters readable
}

// readable is a store.
type readable interface {
	rest.Getter
	rest.Lister
}

var _ reports.Units = (*Objects)(nil)

// NewObjects picks the stores of packages, class deployments and clusters.
func NewObjects(storage map[string]rest.Storage) (*Objects, error) {
	o := &Objects{}
	for name, store := range map[string]*readable{
		resources.Packages: &o.packages, resources.ClassDeployments: &o.deployments, resources.Clusters: &o.clusters,
	} {
		readable, ok := storage[name].(readable)
		if !ok {
			return nil, fmt.Errorf("the storage of %s (%T) cannot be read", name, storage[name])
		}
		*store = readable
	}
	return o, nil
}

// Owner implements reports.Units. A unit is known as long as the status of its
// class deployment lists it. With one that is being deleted nothing new begins.
func (o *Objects) Owner(ctx context.Context, unit reports.Unit) (*reports.Owner, error) {
	deployment, err := get[*pm.ClassDeployment](ctx, o.deployments, unit.Namespace, unit.ClassDeployment)
	if deployment == nil || err != nil {
		return nil, err
	}
	if deployment.DeletionTimestamp != nil {
		return nil, nil
	}
	for i := range deployment.Status.Units {
		listed := &deployment.Status.Units[i]
		if listed.Cluster == unit.Cluster && listed.DeploymentID == unit.DeploymentID {
			return &reports.Owner{
				Name: deployment.Name, UID: deployment.UID, Environment: listed.Environment,
				PackageName: deployment.Spec.PackageName, ClassKey: deployment.Spec.ClassKey,
			}, nil
		}
	}
	return nil, nil
}

func (o *Objects) pkg(ctx context.Context, namespace, name string) (*pm.Package, error) {
	return get[*pm.Package](ctx, o.packages, namespace, name)
}

// runsOn tells whether a class of the package, or one that depends on it, is
// deployed to a cluster.
func (o *Objects) runsOn(ctx context.Context, namespace, name, cluster string) (bool, error) {
	list, err := list[*pm.ClassDeploymentList](ctx, o.deployments, namespace)
	if err != nil {
		return false, err
	}
	var next []string
	for i := range list.Items {
		for _, unit := range list.Items[i].Status.Units {
			if unit.Cluster == cluster {
				next = append(next, list.Items[i].Spec.PackageName)
				break
			}
		}
	}
	seen := map[string]bool{}
	for len(next) > 0 {
		current := next[len(next)-1]
		next = next[:len(next)-1]
		if current == name {
			return true, nil
		}
		if seen[current] {
			continue
		}
		seen[current] = true
		pkg, err := o.pkg(ctx, namespace, current)
		if err != nil {
			return false, err
		}
		if pkg != nil {
			for _, dependency := range pkg.Spec.Dependencies {
				next = append(next, dependency.Name)
			}
		}
	}
	return false, nil
}

func (o *Objects) allClusters(ctx context.Context) ([]pm.Cluster, error) {
	clusters, err := list[*pm.ClusterList](ctx, o.clusters, "")
	if err != nil {
		return nil, err
	}
	return clusters.Items, nil
}

// get returns an object that must not be changed, nil when there is none.
func get[T runtime.Object](ctx context.Context, store readable, namespace, name string) (T, error) {
	var none T
	object, err := store.Get(genericapirequest.WithNamespace(ctx, namespace), name, &metav1.GetOptions{ResourceVersion: anyVersion})
	if apierrors.IsNotFound(err) {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("read %T %s: %w", none, name, err)
	}
	typed, ok := object.(T)
	if !ok {
		return none, fmt.Errorf("read %s: the store holds %T", name, object)
	}
	return typed, nil
}

func list[T runtime.Object](ctx context.Context, store readable, namespace string) (T, error) {
	var none T
	object, err := store.List(genericapirequest.WithNamespace(ctx, namespace), &internalversion.ListOptions{ResourceVersion: anyVersion})
	if err != nil {
		return none, fmt.Errorf("list %T: %w", none, err)
	}
	typed, ok := object.(T)
	if !ok {
		return none, fmt.Errorf("list: the store holds %T", object)
	}
	return typed, nil
}
