// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package runtimestates removes the runtime states of units that are gone: whose
// class deployment was deleted, or does not list them any more. The garbage
// collector of a host cluster does half of this by owner references; a unit that
// moved to another cluster still has its owner, and a server without a host
// cluster has no collector.
package runtimestates

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/controller/cached"
	"oaas.io/oaas/pkg/controller/worker"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
	informers "oaas.io/oaas/pkg/generated/informers/externalversions/pm/v1alpha1"
	listers "oaas.io/oaas/pkg/generated/listers/pm/v1alpha1"
)

const (
	workers = 2
	// byDeployment finds states by the class deployment that they belong to.
	byDeployment = "runtimestates.deployment"
)

// Config is what the controller works with.
type Config struct {
	// Client deletes RuntimeStates.
	Client versioned.Interface
	// RuntimeStates and ClassDeployments are the informers, not started yet.
	RuntimeStates    informers.RuntimeStateInformer
	ClassDeployments informers.ClassDeploymentInformer
}

// Controller removes RuntimeStates of units that are gone.
type Controller struct {
	client      versioned.Interface
	states      listers.RuntimeStateLister
	stateIndex  cache.Indexer
	deployments listers.ClassDeploymentLister
	synced      []cache.InformerSynced
	queue       workqueue.TypedRateLimitingInterface[types.NamespacedName]
}

// New returns the controller and has it told about states and deployments.
func New(config Config) (*Controller, error) {
	c := &Controller{
		client:      config.Client,
		states:      config.RuntimeStates.Lister(),
		stateIndex:  config.RuntimeStates.Informer().GetIndexer(),
		deployments: config.ClassDeployments.Lister(),
		queue:       worker.NewQueue[types.NamespacedName]("runtimestate"),
	}
	if err := config.RuntimeStates.Informer().AddIndexers(cache.Indexers{byDeployment: deploymentOf}); err != nil {
		return nil, fmt.Errorf("indexing for the runtime state controller: %w", err)
	}
	states, err := config.RuntimeStates.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: c.stateChanged})
	deployments, err2 := config.ClassDeployments.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(before, after any) {
			if left(before.(*pmv1alpha1.ClassDeployment), after.(*pmv1alpha1.ClassDeployment)) {
				c.deploymentChanged(after)
			}
		},
		DeleteFunc: c.deploymentChanged,
	})
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("watching for the runtime state controller: %w", err)
	}
	c.synced = []cache.InformerSynced{states.HasSynced, deployments.HasSynced}
	return c, nil
}

// Run works until ctx ends, and returns when nothing is under way any more.
func (c *Controller) Run(ctx context.Context) error {
	if !cache.WaitForCacheSync(ctx.Done(), c.synced...) {
		return fmt.Errorf("runtime state controller: caches are not filled: %w", context.Cause(ctx))
	}
	worker.Run(ctx, c.queue, workers, c.reconcile)
	return nil
}

func deploymentOf(obj any) ([]string, error) {
	state, ok := obj.(*pmv1alpha1.RuntimeState)
	if !ok {
		return nil, fmt.Errorf("%T is not a RuntimeState", obj)
	}
	return []string{state.Namespace + "/" + state.Spec.ClassDeployment}, nil
}

func (c *Controller) stateChanged(obj any) {
	if state, ok := obj.(*pmv1alpha1.RuntimeState); ok {
		c.queue.Add(types.NamespacedName{Namespace: state.Namespace, Name: state.Name})
	}
}

// deploymentChanged has all states of a deployment looked at.
func (c *Controller) deploymentChanged(obj any) {
	key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(obj)
	if err != nil {
		return
	}
	for _, state := range cached.Find[*pmv1alpha1.RuntimeState](c.stateIndex, byDeployment, key) {
		c.stateChanged(state)
	}
}

// left tells whether a unit is not listed any more.
func left(before, after *pmv1alpha1.ClassDeployment) bool {
	if before.UID != after.UID {
		return true
	}
	for i := range before.Status.Units {
		if !lists(after, before.Status.Units[i].Cluster, before.Status.Units[i].DeploymentID) {
			return true
		}
	}
	return false
}

func lists(deployment *pmv1alpha1.ClassDeployment, cluster, id string) bool {
	for i := range deployment.Status.Units {
		if deployment.Status.Units[i].Cluster == cluster && deployment.Status.Units[i].DeploymentID == id {
			return true
		}
	}
	return false
}

// wanted tells whether a deployment, nil for none, has the unit of a state.
func wanted(state *pmv1alpha1.RuntimeState, deployment *pmv1alpha1.ClassDeployment) bool {
	if deployment == nil || !lists(deployment, state.Spec.Cluster, state.Spec.DeploymentID) {
		return false
	}
	for _, owner := range state.OwnerReferences {
		if owner.UID == deployment.UID {
			return true
		}
	}
	return false
}

func (c *Controller) reconcile(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	state, err := c.states.RuntimeStates(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading runtime state %s: %w", key, err)
	}
	if cached, err := c.deployments.ClassDeployments(key.Namespace).Get(state.Spec.ClassDeployment); err == nil && wanted(state, cached) {
		return 0, nil
	}
	// The state of a new unit may be known here before the unit is.
	live, err := c.client.PmV1alpha1().ClassDeployments(key.Namespace).Get(ctx, state.Spec.ClassDeployment, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		live, err = nil, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading the class deployment of runtime state %s: %w", key, err)
	}
	if wanted(state, live) {
		return 0, nil
	}
	err = c.client.PmV1alpha1().RuntimeStates(key.Namespace).Delete(ctx, key.Name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &state.UID, ResourceVersion: &state.ResourceVersion},
	})
	if apierrors.IsNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("deleting runtime state %s of a unit that is gone: %w", key, err)
	}
	return 0, nil
}
