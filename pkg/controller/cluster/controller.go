// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/controller/worker"
	"oaas.io/oaas/pkg/crmclient"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	informers "oaas.io/oaas/pkg/generated/informers/externalversions/pm/v1alpha1"
	listers "oaas.io/oaas/pkg/generated/listers/pm/v1alpha1"
)

const (
	// DefaultInterval is how often a cluster is asked how it is doing.
	DefaultInterval = 30 * time.Second
	// workers ask clusters at the same time. One that does not answer holds a
	// worker for ten seconds at the most, and none while its breaker is open.
	workers = 32
)

// Config is what the controller works with.
type Config struct {
	// Client writes the status of Clusters.
	Client versioned.Interface
	// Clusters and ClassDeployments are the informers, not started yet.
	Clusters         informers.ClusterInformer
	ClassDeployments informers.ClassDeploymentInformer
	// Pool holds the links to the clusters, kept by the links controller.
	Pool *crmclient.Pool
	// Events gets the transitions.
	Events events.EventRecorder
	// Clock tells the time. Defaults to the real one.
	Clock clock.PassiveClock
	// Interval between two questions to a cluster. Defaults to DefaultInterval.
	Interval time.Duration
}

// Controller keeps the status of Clusters.
type Controller struct {
	client   versioned.Interface
	clusters listers.ClusterLister
	synced   []cache.InformerSynced
	strays   *strays
	pool     *crmclient.Pool
	events   events.EventRecorder
	clock    clock.PassiveClock
	interval time.Duration
	queue    workqueue.TypedRateLimitingInterface[string]
	forget   func()
}

// New returns the controller and has it told about clusters and links.
func New(config Config) (*Controller, error) {
	c := &Controller{
		client:   config.Client,
		clusters: config.Clusters.Lister(),
		pool:     config.Pool,
		events:   config.Events,
		clock:    config.Clock,
		interval: config.Interval,
		queue:    worker.NewQueue[string]("cluster"),
	}
	if c.clock == nil {
		c.clock = clock.RealClock{}
	}
	if c.interval <= 0 {
		c.interval = DefaultInterval
	}
	handler, err := config.Clusters.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: c.enqueue,
		UpdateFunc: func(before, after any) {
			// The status is this controller's own word.
			if before.(*pmv1alpha1.Cluster).Generation != after.(*pmv1alpha1.Cluster).Generation {
				c.enqueue(after)
			}
		},
		DeleteFunc: c.enqueue,
	})
	if err != nil {
		return nil, fmt.Errorf("watching clusters: %w", err)
	}
	c.synced = []cache.InformerSynced{handler.HasSynced, config.ClassDeployments.Informer().HasSynced}
	deployments := config.ClassDeployments.Lister()
	c.strays = newStrays(2*c.interval, func(cluster string, unit *deploymentv1.DeploymentUnit) bool {
		// The only error is that there is none.
		deployment, _ := deployments.ClassDeployments(unit.GetNamespace()).Get(unit.GetClassDeployment())
		return lists(deployment, cluster, unit.GetId())
	})
	c.forget = c.pool.Subscribe(func(change crmclient.Change) {
		if change.DeploymentID == "" {
			c.queue.Add(change.Cluster)
		}
	})
	return c, nil
}

// Run works until ctx ends, and returns when nothing is under way any more.
func (c *Controller) Run(ctx context.Context) error {
	defer c.forget()
	if !cache.WaitForCacheSync(ctx.Done(), c.synced...) {
		return fmt.Errorf("cluster controller: caches are not filled: %w", context.Cause(ctx))
	}
	worker.Run(ctx, c.queue, workers, c.reconcile)
	return nil
}

func (c *Controller) enqueue(obj any) {
	// A name is the key of an object without a namespace.
	if name, err := cache.DeletionHandlingMetaNamespaceKeyFunc(obj); err == nil {
		c.queue.Add(name)
	}
}

func (c *Controller) reconcile(ctx context.Context, name string) (time.Duration, error) {
	cluster, err := c.clusters.Get(name)
	if apierrors.IsNotFound(err) {
		c.strays.forget(name)
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading cluster %s: %w", name, err)
	}
	state, ok := c.pool.State(name)
	if !ok || state.UID != cluster.UID || state.Generation < cluster.Generation {
		// The link still follows an older spec, of which the status would tell. The
		// pool tells when that has changed.
		return c.interval, nil
	}
	asked := ask(ctx, state)
	if ctx.Err() != nil {
		return 0, fmt.Errorf("asking cluster %s: %w", name, ctx.Err())
	}
	next := nextStatus(cluster, asked, c.clock.Now())
	c.lookForStrays(cluster, state, &next)
	if err := c.writeStatus(ctx, cluster, next); err != nil {
		return 0, err
	}
	return c.interval, nil
}

// lookForStrays tells in the status of units without an owner. While the cluster is
// out of contact, what was told before stays.
func (c *Controller) lookForStrays(cluster *pmv1alpha1.Cluster, state crmclient.State, next *pmv1alpha1.ClusterStatus) {
	if !state.Reliable() {
		c.strays.forget(cluster.Name)
		return
	}
	records, _, _ := state.Link.Records()
	now := c.clock.Now()
	if unowned, known := c.strays.find(cluster.Name, records, now); known {
		tellOfUnits(next, unowned, cluster.Generation, now)
	}
}

// ask asks the cluster how it is doing, over the link that there is.
func ask(ctx context.Context, state crmclient.State) probe {
	asked := probe{setup: state.Err}
	if state.Link == nil {
		return asked
	}
	asked.report, asked.err = state.Link.Health(ctx)
	breaker := state.Link.Breaker()
	asked.breaker = &breaker
	return asked
}

func (c *Controller) writeStatus(ctx context.Context, cluster *pmv1alpha1.Cluster, next pmv1alpha1.ClusterStatus) error {
	if apiequality.Semantic.DeepEqual(cluster.Status, next) {
		return nil
	}
	changed := cluster.DeepCopy()
	changed.Status = next
	_, err := c.client.PmV1alpha1().Clusters().UpdateStatus(ctx, changed, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing the status of cluster %s: %w", cluster.Name, err)
	}
	for _, change := range transitions(cluster.Status, next) {
		c.events.Eventf(cluster, nil, change.kind, change.reason, "Probe", "%s", change.message)
	}
	return nil
}
