// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// reconcile goes: the package's own deployments, status, dependents. A package
// that is being deleted goes another way.
func (c *Controller) reconcile(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	pkg, err := c.packages.Packages(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading package %s: %w", key, err)
	}
	if pkg.DeletionTimestamp != nil {
		return 0, c.undeploy(ctx, pkg)
	}
	seen, err := c.observe(pkg)
	if err != nil {
		return 0, err
	}
	var failure error
	seen.applied, failure = c.applyDeployments(ctx, pkg)
	if err := c.writeStatus(ctx, pkg, nextStatus(pkg, seen, c.clock.Now())); err != nil {
		return 0, err
	}
	// Who depends on the package has nothing to do with its deployments.
	if err := errors.Join(failure, c.refreshDependents(ctx, pkg)); err != nil {
		return 0, err
	}
	if seen.applied.refused != "" {
		return refusedRetry, nil
	}
	return 0, nil
}

// observe collects what a package's status tells of others.
func (c *Controller) observe(pkg *pmv1alpha1.Package) (observation, error) {
	seen := observation{dependencies: map[string]*pmv1alpha1.Package{}}
	for _, user := range c.users(pkg) {
		seen.users = append(seen.users, user.Name)
	}
	for _, dependency := range pkg.Spec.Dependencies {
		found, err := c.packages.Packages(pkg.Namespace).Get(dependency.Name)
		if err != nil && !apierrors.IsNotFound(err) {
			return seen, fmt.Errorf("reading package %s/%s: %w", pkg.Namespace, dependency.Name, err)
		}
		if err == nil {
			seen.dependencies[dependency.Name] = found
		}
	}
	return seen, nil
}

func (c *Controller) writeStatus(ctx context.Context, pkg *pmv1alpha1.Package, next pmv1alpha1.PackageStatus) error {
	if apiequality.Semantic.DeepEqual(pkg.Status, next) {
		return nil
	}
	changed := pkg.DeepCopy()
	changed.Status = next
	_, err := c.client.PmV1alpha1().Packages(pkg.Namespace).UpdateStatus(ctx, changed, metav1.UpdateOptions{FieldManager: FieldManager})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing the status of package %s/%s: %w", pkg.Namespace, pkg.Name, err)
	}
	c.tell(pkg, next.Conditions)
	return nil
}

// tell makes an event of each condition whose status or reason is news.
func (c *Controller) tell(pkg *pmv1alpha1.Package, conditions []metav1.Condition) {
	for _, condition := range conditions {
		before := meta.FindStatusCondition(pkg.Status.Conditions, condition.Type)
		if before != nil && before.Status == condition.Status && before.Reason == condition.Reason {
			continue
		}
		if kind, worth := eventType(pkg, condition, before); worth {
			c.events.Eventf(pkg, nil, kind, condition.Reason, condition.Type, "%s", condition.Message)
		}
	}
}

// eventType tells whether a transition is worth an event, and of which type. What
// another event says already, or what every package goes through, is not.
func eventType(pkg *pmv1alpha1.Package, condition metav1.Condition, before *metav1.Condition) (kind string, worth bool) {
	good := condition.Status == metav1.ConditionTrue
	switch condition.Type {
	case pmv1alpha1.PackageDependenciesResolved:
		// A package without dependencies has nothing to tell, unless it had some.
		worth = !good || before != nil || len(pkg.Spec.Dependencies) > 0
	case pmv1alpha1.PackageDeploymentsApplied:
		// Each deployment that was made or changed has an event of its own.
		worth = (!good && condition.Reason != ReasonWaiting) || (good && before != nil && before.Reason != ReasonWaiting)
	default:
		worth = condition.Reason != ReasonDependenciesUnresolved
	}
	if good || condition.Reason == ReasonTerminating || condition.Reason == ReasonDisabled {
		return corev1.EventTypeNormal, worth
	}
	return corev1.EventTypeWarning, worth
}
