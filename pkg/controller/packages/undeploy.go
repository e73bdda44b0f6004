// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// undeploy removes the deployments of a package that is being deleted, its own
// and those of others, and lets the package go when the last of them is gone. The
// API has decided before that they may go: without that the package would still
// be whole, or have no finalizer.
func (c *Controller) undeploy(ctx context.Context, pkg *pmv1alpha1.Package) error {
	if live, err := c.stillGoing(ctx, pkg); err != nil || live == nil {
		return err
	}
	users := c.users(pkg)
	left := make([]string, 0, len(users))
	for _, user := range users {
		left = append(left, user.Name)
	}
	// What cannot be told must not keep what was asked for from being done.
	untold := c.writeStatus(ctx, pkg, terminatingStatus(pkg, left, c.clock.Now()))
	if !slices.Contains(pkg.Finalizers, pmv1alpha1.PackageFinalizer) {
		return untold
	}
	failures := []error{untold}
	for _, user := range users {
		if user.DeletionTimestamp != nil {
			continue
		}
		if err := c.deleteDeployment(ctx, user); err != nil {
			failures = append(failures, err)
			continue
		}
		c.events.Eventf(pkg, user, corev1.EventTypeNormal, "DeploymentRemoved", "Undeploy",
			"removed class deployment %s together with the package", user.Name)
	}
	if len(users) > 0 {
		return errors.Join(failures...)
	}
	// The cache may lag behind a deployment that was made a moment ago.
	list, err := c.client.PmV1alpha1().ClassDeployments(pkg.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("spec.packageName", pkg.Name).String(), Limit: 1,
	})
	if err != nil {
		return fmt.Errorf("listing the class deployments of package %s/%s: %w", pkg.Namespace, pkg.Name, err)
	}
	if len(list.Items) > 0 {
		// Its arrival in the cache brings the package back here.
		return nil
	}
	if err := c.removeFinalizer(ctx, pkg); err != nil {
		return err
	}
	c.events.Eventf(pkg, nil, corev1.EventTypeNormal, "Undeployed", "Undeploy", "no class deployment of the package is left")
	return nil
}

// stillGoing returns the package as it is now, nil when it is gone. The cache may
// not know that yet, and somebody may deploy classes of a package of that name that
// is about to be published: those are not this one's to remove.
func (c *Controller) stillGoing(ctx context.Context, pkg *pmv1alpha1.Package) (*pmv1alpha1.Package, error) {
	live, err := c.client.PmV1alpha1().Packages(pkg.Namespace).Get(ctx, pkg.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), err == nil && live.UID != pkg.UID:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading package %s/%s: %w", pkg.Namespace, pkg.Name, err)
	}
	return live, nil
}

// removeFinalizer lets the package go; the resource version makes it fail when
// somebody else changed the package.
func (c *Controller) removeFinalizer(ctx context.Context, pkg *pmv1alpha1.Package) error {
	live, err := c.stillGoing(ctx, pkg)
	if err != nil || live == nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": live.ResourceVersion,
		"uid":             live.UID,
		"finalizers":      slices.DeleteFunc(live.Finalizers, func(f string) bool { return f == pmv1alpha1.PackageFinalizer }),
	}})
	if err != nil {
		return fmt.Errorf("encoding the finalizers of package %s/%s: %w", live.Namespace, live.Name, err)
	}
	_, err = c.client.PmV1alpha1().Packages(live.Namespace).Patch(ctx, live.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: FieldManager})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("writing the finalizers of package %s/%s: %w", live.Namespace, live.Name, err)
	}
	return nil
}
