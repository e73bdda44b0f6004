// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package links

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/controller/worker"
	"oaas.io/oaas/pkg/crmclient"
	informers "oaas.io/oaas/pkg/generated/informers/externalversions/pm/v1alpha1"
	listers "oaas.io/oaas/pkg/generated/listers/pm/v1alpha1"
)

const (
	// DefaultInterval is how often Secrets are read again: a renewed identity is in
	// use that soon.
	DefaultInterval = 30 * time.Second
	// workers make links at the same time. Reading a Secret is all that can hold
	// one up, for at most readTimeout.
	workers = 8
	// readTimeout bounds the reading of a Secret.
	readTimeout = 10 * time.Second
)

// Config is what the controller works with.
type Config struct {
	// Clusters is the informer, not started yet.
	Clusters informers.ClusterInformer
	// Pool gets a link for each Cluster. No other controller makes or removes links.
	Pool *crmclient.Pool
	// Interval between two looks at a cluster's Secret. Defaults to DefaultInterval.
	Interval time.Duration
}

// Controller keeps the links to the clusters.
type Controller struct {
	clusters listers.ClusterLister
	synced   cache.InformerSynced
	pool     *crmclient.Pool
	interval time.Duration
	queue    workqueue.TypedRateLimitingInterface[string]
}

// New returns the controller and has it told about clusters.
func New(config Config) (*Controller, error) {
	c := &Controller{
		clusters: config.Clusters.Lister(),
		pool:     config.Pool,
		interval: config.Interval,
		queue:    worker.NewQueue[string]("links"),
	}
	if c.interval <= 0 {
		c.interval = DefaultInterval
	}
	handler, err := config.Clusters.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: c.enqueue,
		UpdateFunc: func(before, after any) {
			// A link follows from the spec alone; another object of the same name may
			// have the same generation.
			old, current := before.(*pmv1alpha1.Cluster), after.(*pmv1alpha1.Cluster)
			if old.Generation != current.Generation || old.UID != current.UID {
				c.enqueue(after)
			}
		},
		DeleteFunc: c.enqueue,
	})
	if err != nil {
		return nil, fmt.Errorf("watching clusters: %w", err)
	}
	c.synced = handler.HasSynced
	return c, nil
}

// Run works until ctx ends, and returns when nothing is under way any more. The
// links stay.
func (c *Controller) Run(ctx context.Context) error {
	if !cache.WaitForCacheSync(ctx.Done(), c.synced) {
		return fmt.Errorf("links controller: cache is not filled: %w", context.Cause(ctx))
	}
	if err := c.begin(ctx); err != nil {
		return err
	}
	worker.Run(ctx, c.queue, workers, c.reconcile)
	return nil
}

// begin gives every cluster its first turn and then tells the pool so. Who lists
// records before that would not know of which clusters they are missing.
func (c *Controller) begin(ctx context.Context) error {
	clusters, err := c.clusters.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("links controller: listing clusters: %w", err)
	}
	var first errgroup.Group
	first.SetLimit(workers)
	for _, cluster := range clusters {
		first.Go(func() error {
			c.ensure(ctx, cluster)
			return nil
		})
	}
	// Each of them is in the pool now, if only with what is wrong with it.
	_ = first.Wait()
	if ctx.Err() == nil {
		c.pool.SetComplete()
		klog.FromContext(ctx).Info("Links to all clusters are set up", "clusters", len(clusters))
	}
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
		c.pool.Remove(name)
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading cluster %s: %w", name, err)
	}
	c.ensure(ctx, cluster)
	return c.interval, nil
}

// ensure leaves a failure to the cluster controller, which reads it from the pool
// and writes it into the Cluster's status.
func (c *Controller) ensure(ctx context.Context, cluster *pmv1alpha1.Cluster) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if _, err := c.pool.Ensure(ctx, cluster); err != nil {
		klog.FromContext(ctx).V(2).Info("Link cannot be set up", "cluster", cluster.Name, "err", err)
	}
}
