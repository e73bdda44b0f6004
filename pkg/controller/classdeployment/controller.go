// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployment

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/controller/cached"
	"oaas.io/oaas/pkg/controller/worker"
	"oaas.io/oaas/pkg/crmclient"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
	informers "oaas.io/oaas/pkg/generated/informers/externalversions/pm/v1alpha1"
	listers "oaas.io/oaas/pkg/generated/listers/pm/v1alpha1"
	"oaas.io/oaas/pkg/planner"
)

const (
	// workers reconcile at the same time. A reconcile calls no cluster, so this
	// bounds the calls to the Package Manager's own API.
	workers = 8
	// recordDelay joins the changes of a record that come in a burst, as they do
	// in a rollout, to one status write.
	recordDelay = 100 * time.Millisecond

	byPackage = "package"
	byCluster = "cluster"
	// byDependency finds packages by what they depend on.
	byDependency = "classdeployment.dependency"
)

// Config is what the controller works with.
type Config struct {
	// Client writes ClassDeployments.
	Client versioned.Interface
	// ClassDeployments, Packages and Clusters are the informers of one factory,
	// not started yet.
	ClassDeployments informers.ClassDeploymentInformer
	Packages         informers.PackageInformer
	Clusters         informers.ClusterInformer
	// Pool holds the links to the clusters, kept by somebody else.
	Pool *crmclient.Pool
	// Events gets the transitions.
	Events events.EventRecorder
	// Clock tells the time. Defaults to the real one.
	Clock clock.PassiveClock
}

// Controller brings ClassDeployments to the clusters.
type Controller struct {
	client      versioned.Interface
	deployments listers.ClassDeploymentLister
	packages    listers.PackageLister
	clusters    listers.ClusterLister
	index       cache.Indexer
	dependents  cache.Indexer
	synced      []cache.InformerSynced
	pool        *crmclient.Pool
	events      events.EventRecorder
	clock       clock.PassiveClock
	queue       workqueue.TypedRateLimitingInterface[types.NamespacedName]
	dispatcher  *dispatcher
	forget      func()
}

// New returns the controller and has it told about everything that matters.
func New(config Config) (*Controller, error) {
	c := &Controller{
		client:      config.Client,
		deployments: config.ClassDeployments.Lister(),
		packages:    config.Packages.Lister(),
		clusters:    config.Clusters.Lister(),
		index:       config.ClassDeployments.Informer().GetIndexer(),
		dependents:  config.Packages.Informer().GetIndexer(),
		pool:        config.Pool,
		events:      config.Events,
		clock:       config.Clock,
		queue:       worker.NewQueue[types.NamespacedName]("classdeployment"),
	}
	if c.clock == nil {
		c.clock = clock.RealClock{}
	}
	c.dispatcher = newDispatcher(c.pool, c.clock, c.queue.Add)
	if err := config.ClassDeployments.Informer().AddIndexers(cache.Indexers{byPackage: cached.PackageOfDeployment, byCluster: clustersOf}); err != nil {
		return nil, fmt.Errorf("indexing class deployments: %w", err)
	}
	if err := config.Packages.Informer().AddIndexers(cache.Indexers{byDependency: cached.DependenciesOfPackage}); err != nil {
		return nil, fmt.Errorf("indexing packages: %w", err)
	}
	if err := c.watch(config); err != nil {
		return nil, err
	}
	c.forget = c.pool.Subscribe(c.linkChanged)
	return c, nil
}

// Run works until ctx ends, and returns when nothing is under way any more.
func (c *Controller) Run(ctx context.Context) error {
	defer c.forget()
	if !cache.WaitForCacheSync(ctx.Done(), c.synced...) {
		return fmt.Errorf("class deployment controller: caches are not filled: %w", context.Cause(ctx))
	}
	var running sync.WaitGroup
	started := make(chan struct{})
	running.Go(func() { c.dispatcher.run(ctx, started) })
	<-started
	worker.Run(ctx, c.queue, workers, c.reconcile)
	running.Wait()
	return nil
}

func (c *Controller) watch(config Config) error {
	deployments, err := config.ClassDeployments.Informer().AddEventHandler(onAny(c.enqueue))
	packages, err2 := config.Packages.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: c.packageChanged,
		UpdateFunc: func(before, after any) {
			// A package's status says nothing that a plan depends on.
			was, is := before.(*pmv1alpha1.Package), after.(*pmv1alpha1.Package)
			if was.Generation != is.Generation || was.UID != is.UID || (was.DeletionTimestamp == nil) != (is.DeletionTimestamp == nil) {
				c.packageChanged(after)
			}
		},
		DeleteFunc: c.packageChanged,
	})
	clusters, err3 := config.Clusters.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { c.enqueueAll() },
		UpdateFunc: func(before, after any) {
			if matters(before.(*pmv1alpha1.Cluster), after.(*pmv1alpha1.Cluster)) {
				c.enqueueAll()
			}
		},
		DeleteFunc: func(obj any) {
			if cluster := cached.FinalState[*pmv1alpha1.Cluster](obj); cluster != nil {
				c.dispatcher.forgetCluster(cluster.Name)
			}
			c.enqueueAll()
		},
	})
	if err := errors.Join(err, err2, err3); err != nil {
		return fmt.Errorf("watching for the class deployment controller: %w", err)
	}
	c.synced = []cache.InformerSynced{deployments.HasSynced, packages.HasSynced, clusters.HasSynced}
	return nil
}

// matters is true when a plan or a status may differ after the change. The load
// of a cluster alone moves nothing that has its place.
func matters(before, after *pmv1alpha1.Cluster) bool {
	return before.Generation != after.Generation ||
		(before.DeletionTimestamp == nil) != (after.DeletionTimestamp == nil) ||
		before.Status.Health != after.Status.Health ||
		before.Status.Availability != after.Status.Availability ||
		planner.BreakerOpen(before) != planner.BreakerOpen(after) ||
		!apiequality.Semantic.DeepEqual(before.Labels, after.Labels) ||
		!apiequality.Semantic.DeepEqual(before.Status.Conditions, after.Status.Conditions)
}

// linkChanged is told by the pool about records and links.
func (c *Controller) linkChanged(change crmclient.Change) {
	if change.DeploymentID == "" {
		c.dispatcher.kick(change.Cluster)
		c.enqueueIndexed(byCluster, change.Cluster)
		return
	}
	c.dispatcher.recordChanged(unitKey{change.Cluster, change.DeploymentID})
	if change.ClassDeployment != "" {
		c.queue.AddAfter(types.NamespacedName{Namespace: change.Namespace, Name: change.ClassDeployment}, recordDelay)
	}
}

// packageChanged looks at the deployments of a package, and at those of packages
// whose classes may bind its functions. Which of them run something else from now
// on, the content of their units tells.
func (c *Controller) packageChanged(obj any) {
	pkg := cached.FinalState[*pmv1alpha1.Package](obj)
	if pkg == nil {
		return
	}
	name := pkg.Namespace + "/" + pkg.Name
	c.enqueueIndexed(byPackage, name)
	for _, dependent := range cached.Find[*pmv1alpha1.Package](c.dependents, byDependency, name) {
		c.enqueueIndexed(byPackage, dependent.Namespace+"/"+dependent.Name)
	}
}

func (c *Controller) enqueue(obj any) {
	if deployment := cached.FinalState[*pmv1alpha1.ClassDeployment](obj); deployment != nil {
		c.queue.Add(types.NamespacedName{Namespace: deployment.Namespace, Name: deployment.Name})
	}
}

func (c *Controller) enqueueIndexed(index, value string) {
	for _, deployment := range cached.Find[*pmv1alpha1.ClassDeployment](c.index, index, value) {
		c.enqueue(deployment)
	}
}

func (c *Controller) enqueueAll() {
	for _, deployment := range c.index.List() {
		c.enqueue(deployment)
	}
}

func (c *Controller) allClusters() ([]*pmv1alpha1.Cluster, error) {
	clusters, err := c.clusters.List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("listing clusters: %w", err)
	}
	return clusters, nil
}

func onAny(handle func(any)) cache.ResourceEventHandlerFuncs {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    handle,
		UpdateFunc: func(_, after any) { handle(after) },
		DeleteFunc: handle,
	}
}

func clustersOf(obj any) ([]string, error) {
	deployment, ok := obj.(*pmv1alpha1.ClassDeployment)
	if !ok {
		return nil, nil
	}
	clusters := make([]string, 0, len(deployment.Status.Units))
	for _, unit := range deployment.Status.Units {
		clusters = append(clusters, unit.Cluster)
	}
	return clusters, nil
}
