// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployment

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/planner"
)

// reconcile goes: finalizer, plan, status, calls. The status comes before the
// calls, because a unit that the status does not list would be forgotten by a
// crash.
func (c *Controller) reconcile(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	deployment, err := c.deployments.ClassDeployments(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		c.dispatcher.forgetOwner(key)
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading class deployment %s: %w", key, err)
	}
	deleting := deployment.DeletionTimestamp != nil
	guarded := slices.Contains(deployment.Finalizers, pmv1alpha1.ClassDeploymentFinalizer)
	switch {
	case deleting && !guarded:
		return 0, nil
	case !guarded:
		return 0, c.addFinalizer(ctx, deployment)
	}

	clusters, err := c.allClusters()
	if err != nil {
		return 0, err
	}
	var plan planner.Plan
	if !deleting {
		if plan, err = c.plan(deployment, clusters); err != nil {
			return 0, err
		}
	}
	next := decide(deployment, plan, c.observeAll(deployment, plan, clusters), c.clock.Now())
	if deleting && len(next.status.Units) == 0 {
		if err := c.removeFinalizer(ctx, deployment); err != nil {
			return 0, err
		}
		c.finish(deployment, next)
		return 0, nil
	}
	if err := c.writeStatus(ctx, deployment, next); err != nil {
		// What is gone wants nothing sent: nobody would remove it again.
		return 0, ignoreNotFound(err)
	}
	c.finish(deployment, next)
	for _, unit := range next.deploy {
		c.dispatcher.deploy(key, unit.Cluster, unit.Content)
	}
	for _, unit := range next.remove {
		c.dispatcher.delete(key, unit)
	}
	return next.after, nil
}

func (c *Controller) plan(deployment *pmv1alpha1.ClassDeployment, clusters []*pmv1alpha1.Cluster) (planner.Plan, error) {
	in, err := planner.NewInput(deployment, clusters, func(name string) (*pmv1alpha1.Package, error) {
		return c.findPackage(deployment.Namespace, name)
	})
	if err != nil {
		return planner.Plan{}, err
	}
	return planner.Make(in)
}

// findPackage returns nil when there is no package of that name.
func (c *Controller) findPackage(namespace, name string) (*pmv1alpha1.Package, error) {
	pkg, err := c.packages.Packages(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading package %s/%s: %w", namespace, name, err)
	}
	return pkg, nil
}

func (c *Controller) observeAll(deployment *pmv1alpha1.ClassDeployment, plan planner.Plan, clusters []*pmv1alpha1.Cluster) map[unitKey]observation {
	byName := make(map[string]*pmv1alpha1.Cluster, len(clusters))
	for _, cluster := range clusters {
		byName[cluster.Name] = cluster
	}
	seen := map[unitKey]observation{}
	owner := types.NamespacedName{Namespace: deployment.Namespace, Name: deployment.Name}
	for _, unit := range deployment.Status.Units {
		key := unitKey{unit.Cluster, unit.DeploymentID}
		seen[key] = c.observe(owner, key, byName[unit.Cluster])
	}
	for _, unit := range plan.Units {
		key := unitKey{unit.Cluster, unit.Content.GetId()}
		seen[key] = c.observe(owner, key, byName[unit.Cluster])
	}
	return seen
}

// finish drops what needs no more calls, and tells about units that could not be
// confirmed.
func (c *Controller) finish(deployment *pmv1alpha1.ClassDeployment, next decision) {
	for _, key := range next.settled {
		c.dispatcher.settle(key)
	}
	for _, key := range next.gone {
		c.dispatcher.forget(key)
	}
	for _, key := range next.abandoned {
		c.events.Eventf(deployment, nil, corev1.EventTypeWarning, "UnitAbandoned", "Undeploy",
			"cluster %s does not exist any more, so nobody confirmed that unit %s is gone from it", key.cluster, key.id)
	}
}

func (c *Controller) writeStatus(ctx context.Context, deployment *pmv1alpha1.ClassDeployment, next decision) error {
	if apiequality.Semantic.DeepEqual(deployment.Status, next.status) {
		return nil
	}
	changed := deployment.DeepCopy()
	changed.Status = next.status
	if _, err := c.client.PmV1alpha1().ClassDeployments(deployment.Namespace).UpdateStatus(ctx, changed, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("writing the status of class deployment %s/%s: %w", deployment.Namespace, deployment.Name, err)
	}
	c.tell(deployment, next.status.Conditions)
	return nil
}

// tell makes an event of each condition whose status or reason is news.
func (c *Controller) tell(deployment *pmv1alpha1.ClassDeployment, conditions []metav1.Condition) {
	for _, condition := range conditions {
		before := meta.FindStatusCondition(deployment.Status.Conditions, condition.Type)
		if before != nil && before.Status == condition.Status && before.Reason == condition.Reason {
			continue
		}
		kind, worth := eventType(condition, before)
		if worth {
			c.events.Eventf(deployment, nil, kind, condition.Reason, condition.Type, "%s", condition.Message)
		}
	}
}

// eventType tells whether a transition is worth an event, and of which type. What
// every deployment goes through on its way up or down is not.
func eventType(condition metav1.Condition, before *metav1.Condition) (kind string, worth bool) {
	good := metav1.ConditionTrue
	if condition.Type == pmv1alpha1.ClassDeploymentDegradedCondition {
		good = metav1.ConditionFalse
	}
	switch {
	case condition.Type == pmv1alpha1.ClassDeploymentProgressing, condition.Reason == ReasonTerminating:
		return "", false
	case condition.Status == good:
		return corev1.EventTypeNormal, before != nil || condition.Type != pmv1alpha1.ClassDeploymentDegradedCondition
	case condition.Reason == ReasonDispatching, condition.Reason == ReasonNotPlanned,
		condition.Type == pmv1alpha1.ClassDeploymentAvailable && (before == nil || before.Status == metav1.ConditionFalse):
		return "", false
	default:
		return corev1.EventTypeWarning, true
	}
}

func (c *Controller) addFinalizer(ctx context.Context, deployment *pmv1alpha1.ClassDeployment) error {
	return c.patchFinalizers(ctx, deployment, append(slices.Clone(deployment.Finalizers), pmv1alpha1.ClassDeploymentFinalizer))
}

func (c *Controller) removeFinalizer(ctx context.Context, deployment *pmv1alpha1.ClassDeployment) error {
	return ignoreNotFound(c.patchFinalizers(ctx, deployment, slices.DeleteFunc(slices.Clone(deployment.Finalizers), func(f string) bool {
		return f == pmv1alpha1.ClassDeploymentFinalizer
	})))
}

// patchFinalizers replaces the finalizers; the resource version makes it fail
// when somebody else changed them.
func (c *Controller) patchFinalizers(ctx context.Context, deployment *pmv1alpha1.ClassDeployment, finalizers []string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": deployment.ResourceVersion,
		"uid":             deployment.UID,
		"finalizers":      finalizers,
	}})
	if err != nil {
		return fmt.Errorf("encoding the finalizers of class deployment %s/%s: %w", deployment.Namespace, deployment.Name, err)
	}
	if _, err := c.client.PmV1alpha1().ClassDeployments(deployment.Namespace).Patch(ctx, deployment.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("writing the finalizers of class deployment %s/%s: %w", deployment.Namespace, deployment.Name, err)
	}
	return nil
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
