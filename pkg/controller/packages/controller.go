// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package packages writes the status of Packages: whether they can be deployed,
// and which ClassDeployments use them.
package packages

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/controller/worker"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
	informers "oaas.io/oaas/pkg/generated/informers/externalversions/pm/v1alpha1"
	listers "oaas.io/oaas/pkg/generated/listers/pm/v1alpha1"
)

const (
	workers = 4
	// settleDelay joins the changes that come with a package and its deployments.
	settleDelay = 50 * time.Millisecond
	byPackage   = "packages.package"
)

// Reasons of the condition Ready.
const (
	// ReasonValid: the package's classes can be deployed.
	ReasonValid = "Valid"
	// ReasonDisabled: the package takes no new deployments.
	ReasonDisabled = "Disabled"
)

// Config is what the controller works with.
type Config struct {
	// Client writes the status of Packages.
	Client versioned.Interface
	// Packages and ClassDeployments are the informers, not started yet.
	Packages         informers.PackageInformer
	ClassDeployments informers.ClassDeploymentInformer
	// Events gets the transitions.
	Events events.EventRecorder
	// Clock tells the time. Defaults to the real one.
	Clock clock.PassiveClock
}

// Controller writes the status of Packages.
type Controller struct {
	client      versioned.Interface
	packages    listers.PackageLister
	deployments cache.Indexer
	synced      []cache.InformerSynced
	events      events.EventRecorder
	clock       clock.PassiveClock
	queue       workqueue.TypedRateLimitingInterface[types.NamespacedName]
}

// New returns the controller and has it told about packages and deployments.
func New(config Config) (*Controller, error) {
	c := &Controller{
		client:      config.Client,
		packages:    config.Packages.Lister(),
		deployments: config.ClassDeployments.Informer().GetIndexer(),
		events:      config.Events,
		clock:       config.Clock,
		queue:       worker.NewQueue[types.NamespacedName]("package"),
	}
	if c.clock == nil {
		c.clock = clock.RealClock{}
	}
	err := config.ClassDeployments.Informer().AddIndexers(cache.Indexers{byPackage: func(obj any) ([]string, error) {
		deployment, ok := obj.(*pmv1alpha1.ClassDeployment)
		if !ok {
			return nil, nil
		}
		return []string{deployment.Namespace + "/" + deployment.Spec.PackageName}, nil
	}})
	if err != nil {
		return nil, fmt.Errorf("indexing class deployments: %w", err)
	}
	packages, err := config.Packages.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) { c.enqueue(obj.(*pmv1alpha1.Package).Namespace, obj.(*pmv1alpha1.Package).Name) },
		UpdateFunc: func(before, after any) {
			if pkg := after.(*pmv1alpha1.Package); pkg.Generation != before.(*pmv1alpha1.Package).Generation {
				c.enqueue(pkg.Namespace, pkg.Name)
			}
		},
	})
	// A deployment's package does not change, so only its coming and going count.
	deployments, err2 := config.ClassDeployments.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    c.deploymentChanged,
		DeleteFunc: c.deploymentChanged,
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

func (c *Controller) deploymentChanged(obj any) {
	if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	if deployment, ok := obj.(*pmv1alpha1.ClassDeployment); ok {
		c.enqueue(deployment.Namespace, deployment.Spec.PackageName)
	}
}

func (c *Controller) reconcile(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	pkg, err := c.packages.Packages(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading package %s: %w", key, err)
	}
	users, err := c.deployments.ByIndex(byPackage, key.String())
	if err != nil {
		return 0, fmt.Errorf("finding the deployments of package %s: %w", key, err)
	}
	names := make([]string, 0, len(users))
	for _, user := range users {
		names = append(names, user.(*pmv1alpha1.ClassDeployment).Name)
	}
	next := nextStatus(pkg, names, c.clock.Now())
	if apiequality.Semantic.DeepEqual(pkg.Status, next) {
		return 0, nil
	}
	changed := pkg.DeepCopy()
	changed.Status = next
	_, err = c.client.PmV1alpha1().Packages(key.Namespace).UpdateStatus(ctx, changed, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("writing the status of package %s: %w", key, err)
	}
	c.tell(pkg, next)
	return 0, nil
}

// tell makes an event when a package is disabled or enabled again.
func (c *Controller) tell(pkg *pmv1alpha1.Package, next pmv1alpha1.PackageStatus) {
	before := meta.FindStatusCondition(pkg.Status.Conditions, pmv1alpha1.PackageReady)
	after := meta.FindStatusCondition(next.Conditions, pmv1alpha1.PackageReady)
	if before != nil && before.Status != after.Status {
		c.events.Eventf(pkg, nil, corev1.EventTypeNormal, after.Reason, "Publish", "%s", after.Message)
	}
}

// nextStatus is the status of a package that the named deployments use.
func nextStatus(pkg *pmv1alpha1.Package, deployments []string, now time.Time) pmv1alpha1.PackageStatus {
	var next pmv1alpha1.PackageStatus
	pkg.Status.DeepCopyInto(&next)
	next.ObservedGeneration = pkg.Generation
	slices.Sort(deployments)
	next.Deployments = deployments
	ready := metav1.Condition{
		Type: pmv1alpha1.PackageReady, Status: metav1.ConditionTrue, Reason: ReasonValid,
		Message: "the classes of the package can be deployed", ObservedGeneration: pkg.Generation,
		LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
	}
	if pkg.Spec.Disabled {
		ready.Status, ready.Reason = metav1.ConditionFalse, ReasonDisabled
		ready.Message = "the package is disabled and takes no new deployments"
	}
	meta.SetStatusCondition(&next.Conditions, ready)
	return next
}
