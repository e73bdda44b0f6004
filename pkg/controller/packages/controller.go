// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"errors"
	"fmt"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/controller/cached"
	"oaas.io/oaas/pkg/controller/worker"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
	informers "oaas.io/oaas/pkg/generated/informers/externalversions/pm/v1alpha1"
	listers "oaas.io/oaas/pkg/generated/listers/pm/v1alpha1"
)

const (
	workers = 4
	// settleDelay joins the changes that come with a package and its own deployments.
	settleDelay = 50 * time.Millisecond
	// listDelay is how long a package waits for more dependents, and for more
	// deployments of others, to come or go before its lists of them are written again.
	// Each write stores all of the package: thousands that come at once then cost one
	// a second.
	listDelay = time.Second

	// byPackage finds deployments by the package that they use, byOwner by the one
	// that they belong to, byDependency packages by what they depend on, byDeployment
	// packages by the deployments that they list.
	byPackage    = "packages.package"
	byOwner      = "packages.owner"
	byDependency = "packages.dependency"
	byDeployment = "packages.deployment"
)

// Dependents keeps the lists of dependents that packages have in their status. Only
// the API server can write them, and knows who depends.
type Dependents interface {
	// Refresh makes the list of one package true. It costs little where nothing
	// differs.
	Refresh(ctx context.Context, namespace, name string) error
}

// Config is what the controller works with.
type Config struct {
	// Client writes Packages and the ClassDeployments that belong to them.
	Client versioned.Interface
	// Packages and ClassDeployments are the informers, not started yet.
	Packages         informers.PackageInformer
	ClassDeployments informers.ClassDeploymentInformer
	// Dependents keeps lists of dependents. Without it they stay as they are.
	Dependents Dependents
	// Events gets the transitions.
	Events events.EventRecorder
	// Clock tells the time. Defaults to the real one.
	Clock clock.PassiveClock
}

// Controller looks after Packages.
type Controller struct {
	client            versioned.Interface
	packages          listers.PackageLister
	packageIndex      cache.Indexer
	deployments       listers.ClassDeploymentLister
	deploymentIndex   cache.Indexer
	dependents        Dependents
	synced            []cache.InformerSynced
	events            events.EventRecorder
	clock             clock.PassiveClock
	queue             workqueue.TypedRateLimitingInterface[types.NamespacedName]
	appliedDeployment *memory
}

// New returns the controller and has it told about packages and deployments.
func New(config Config) (*Controller, error) {
	c := &Controller{
		client:            config.Client,
		packages:          config.Packages.Lister(),
		packageIndex:      config.Packages.Informer().GetIndexer(),
		deployments:       config.ClassDeployments.Lister(),
		deploymentIndex:   config.ClassDeployments.Informer().GetIndexer(),
		dependents:        config.Dependents,
		events:            config.Events,
		clock:             config.Clock,
		queue:             worker.NewQueue[types.NamespacedName]("package"),
		appliedDeployment: newMemory(),
	}
	if c.clock == nil {
		c.clock = clock.RealClock{}
	}
	err := errors.Join(
		config.ClassDeployments.Informer().AddIndexers(cache.Indexers{byPackage: cached.PackageOfDeployment, byOwner: ownerOf}),
		config.Packages.Informer().AddIndexers(cache.Indexers{byDependency: cached.DependenciesOfPackage, byDeployment: deploymentsOf}),
	)
	if err != nil {
		return nil, fmt.Errorf("indexing for the package controller: %w", err)
	}
	packages, err := config.Packages.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    c.packageChanged,
		UpdateFunc: c.packageUpdated,
		DeleteFunc: c.packageChanged,
	})
	deployments, err2 := config.ClassDeployments.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    c.deploymentChanged,
		UpdateFunc: c.deploymentUpdated,
		DeleteFunc: c.deploymentGone,
	})
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("watching for the package controller: %w", err)
	}
	c.synced = []cache.InformerSynced{packages.HasSynced, deployments.HasSynced}
	return c, nil
}

// Run works until ctx ends, and returns when nothing is under way any more.
func (c *Controller) Run(ctx context.Context) error {
	if !cache.WaitForCacheSync(ctx.Done(), c.synced...) {
		return fmt.Errorf("package controller: caches are not filled: %w", context.Cause(ctx))
	}
	worker.Run(ctx, c.queue, workers, c.reconcile)
	return nil
}

func (c *Controller) enqueue(namespace, name string) {
	c.queue.AddAfter(types.NamespacedName{Namespace: namespace, Name: name}, settleDelay)
}

// enqueuePackages looks at the packages that an index finds.
func (c *Controller) enqueuePackages(index, value string) {
	for _, pkg := range cached.Find[*pmv1alpha1.Package](c.packageIndex, index, value) {
		c.enqueue(pkg.Namespace, pkg.Name)
	}
}

// packageChanged looks at a package that came or went, at those that depend on
// it, and at those that it depends on, whose lists of dependents name it.
func (c *Controller) packageChanged(obj any) {
	pkg := cached.FinalState[*pmv1alpha1.Package](obj)
	if pkg == nil {
		return
	}
	c.enqueue(pkg.Namespace, pkg.Name)
	c.enqueuePackages(byDependency, pkg.Namespace+"/"+pkg.Name)
	c.enqueueDependencies(pkg)
}

func (c *Controller) packageUpdated(before, after any) {
	was, is := before.(*pmv1alpha1.Package), after.(*pmv1alpha1.Package)
	switch {
	case was.Generation != is.Generation || was.UID != is.UID || (was.DeletionTimestamp == nil) != (is.DeletionTimestamp == nil):
		c.enqueueDependencies(was)
		c.packageChanged(is)
	case was.ResourceVersion == is.ResourceVersion,
		// A look now and then, in case a notice got lost.
		!apiequality.Semantic.DeepEqual(was.Finalizers, is.Finalizers):
		c.enqueue(is.Namespace, is.Name)
	}
}

func (c *Controller) enqueueDependencies(pkg *pmv1alpha1.Package) {
	for _, dependency := range pkg.Spec.Dependencies {
		c.queue.AddAfter(types.NamespacedName{Namespace: pkg.Namespace, Name: dependency.Name}, listDelay)
	}
}

// deploymentChanged looks at the package that a deployment uses, at the one that
// owns it, and at those that list its name, for which it may be in the way.
func (c *Controller) deploymentChanged(obj any) {
	deployment := cached.FinalState[*pmv1alpha1.ClassDeployment](obj)
	if deployment == nil {
		return
	}
	if owner := metav1.GetControllerOf(deployment); owner != nil && owner.Kind == "Package" {
		c.enqueue(deployment.Namespace, owner.Name)
	}
	c.queue.AddAfter(types.NamespacedName{Namespace: deployment.Namespace, Name: deployment.Spec.PackageName}, listDelay)
	c.enqueuePackages(byDeployment, deployment.Namespace+"/"+deployment.Name)
}

// deploymentUpdated looks only at what packages say of deployments: a status
// changes often and says nothing of that.
func (c *Controller) deploymentUpdated(before, after any) {
	was, is := before.(*pmv1alpha1.ClassDeployment), after.(*pmv1alpha1.ClassDeployment)
	if was.UID != is.UID || fingerprintOf(was) != fingerprintOf(is) || (was.DeletionTimestamp == nil) != (is.DeletionTimestamp == nil) {
		c.deploymentChanged(is)
	}
}

func (c *Controller) deploymentGone(obj any) {
	if deployment := cached.FinalState[*pmv1alpha1.ClassDeployment](obj); deployment != nil {
		c.appliedDeployment.forget(deployment.UID)
		c.deploymentChanged(deployment)
	}
}

// users are the deployments that use a package.
func (c *Controller) users(pkg *pmv1alpha1.Package) []*pmv1alpha1.ClassDeployment {
	return cached.Find[*pmv1alpha1.ClassDeployment](c.deploymentIndex, byPackage, pkg.Namespace+"/"+pkg.Name)
}

// ownerOf indexes ClassDeployments by their namespace and the UID of what they belong
// to. Nothing keeps a user from naming an owner of another namespace.
func ownerOf(obj any) ([]string, error) {
	deployment, ok := obj.(*pmv1alpha1.ClassDeployment)
	if !ok {
		return nil, nil
	}
	owner := metav1.GetControllerOfNoCopy(deployment)
	if owner == nil {
		return nil, nil
	}
	return []string{deployment.Namespace + "/" + string(owner.UID)}, nil
}

func deploymentsOf(obj any) ([]string, error) {
	pkg, ok := obj.(*pmv1alpha1.Package)
	if !ok {
		return nil, nil
	}
	names := make([]string, 0, len(pkg.Spec.Deployments))
	for _, deployment := range pkg.Spec.Deployments {
		names = append(names, pkg.Namespace+"/"+deployment.Name)
	}
	return names, nil
}
