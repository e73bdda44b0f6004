// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployments

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/planner"
)

// planning collects what plans depend on from what is stored now.
type planning struct {
	deployments rest.Getter
	packages    rest.Getter
	clusters    rest.Lister
}

// stored returns a class deployment as the planner takes it.
func (p planning) stored(ctx context.Context, name string, options *metav1.GetOptions) (*v1alpha1.ClassDeployment, error) {
	object, err := p.deployments.Get(ctx, name, options)
	if err != nil {
		return nil, err
	}
	deployment := &v1alpha1.ClassDeployment{}
	if err := v1alpha1.Convert_pm_ClassDeployment_To_v1alpha1_ClassDeployment(object.(*pm.ClassDeployment), deployment, nil); err != nil {
		return nil, fmt.Errorf("converting class deployment %s: %w", name, err)
	}
	return deployment, nil
}

// input collects what a plan depends on. The packages that are given stand for
// stored ones of the same name.
func (p planning) input(ctx context.Context, deployment *v1alpha1.ClassDeployment, given map[string]*v1alpha1.Package) (planner.Input, error) {
	list, err := p.clusters.List(genericapirequest.WithNamespace(ctx, metav1.NamespaceNone), &internalversion.ListOptions{})
	if err != nil {
		return planner.Input{}, fmt.Errorf("listing clusters: %w", err)
	}
	stored := list.(*pm.ClusterList)
	clusters := make([]*v1alpha1.Cluster, 0, len(stored.Items))
	for i := range stored.Items {
		cluster := &v1alpha1.Cluster{}
		if err := v1alpha1.Convert_pm_Cluster_To_v1alpha1_Cluster(&stored.Items[i], cluster, nil); err != nil {
			return planner.Input{}, fmt.Errorf("converting cluster %s: %w", stored.Items[i].Name, err)
		}
		clusters = append(clusters, cluster)
	}
	return planner.NewInput(deployment, clusters, func(name string) (*v1alpha1.Package, error) {
		return p.findPackage(ctx, name, given)
	})
}

// findPackage returns nil when there is no package of that name.
func (p planning) findPackage(ctx context.Context, name string, given map[string]*v1alpha1.Package) (*v1alpha1.Package, error) {
	if pkg := given[name]; pkg != nil {
		return pkg, nil
	}
	object, err := p.packages.Get(ctx, name, &metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading package %s: %w", name, err)
	}
	pkg := &v1alpha1.Package{}
	if err := v1alpha1.Convert_pm_Package_To_v1alpha1_Package(object.(*pm.Package), pkg, nil); err != nil {
		return nil, fmt.Errorf("converting package %s: %w", name, err)
	}
	return pkg, nil
}
