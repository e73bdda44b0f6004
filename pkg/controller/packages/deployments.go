// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"k8s.io/utils/ptr"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/controller/cached"
	"oaas.io/oaas/pkg/wording"
)

const (
	// FieldManager owns what the package controller writes.
	FieldManager = "oaas-package-controller"
	// LabelPackage marks the ClassDeployments that belong to a package, with the
	// package's name.
	LabelPackage = "pm.oaas.io/package"
	// refusedRetry is the pause after the API has refused a deployment, which only
	// a change of the package or of a policy will help.
	refusedRetry = time.Minute
)

// applied tells what became of a package's own deployments.
type applied struct {
	// conflict, refused and waiting are what is in the way, in words; empty when
	// nothing is.
	conflict, refused, waiting string
	// unknown is true when an attempt failed that is made again: what was true
	// before still is.
	unknown bool
}

// verdict is the reason and the message of the condition DeploymentsApplied.
func (a applied) verdict(wanted int) (reason, message string) {
	message = strings.Join(slices.DeleteFunc([]string{a.conflict, a.refused, a.waiting}, func(s string) bool { return s == "" }), "; ")
	switch {
	case a.conflict != "":
		return ReasonConflict, message
	case a.refused != "":
		return ReasonRefused, message
	case a.waiting != "":
		return ReasonWaiting, message
	case wanted == 0:
		return ReasonApplied, "the package has no deployments of its own any more"
	default:
		return ReasonApplied, wording.Count(wanted, "deployment") + " as the package says"
	}
}

// work is what has to be done for the deployments of a package.
type work struct {
	// apply are the deployments that the package lists and that are free to be
	// made or changed.
	apply []pmv1alpha1.PackageDeployment
	// remove are those that belong to the package and left its list.
	remove []*pmv1alpha1.ClassDeployment
	// conflicts are the names of listed deployments that belong to somebody else,
	// waiting those that are on their way out.
	conflicts, waiting []string
}

// compare decides what has to be done. existing are the deployments that belong to
// the package, and those of others that have the name of one that it lists.
func compare(pkg *pmv1alpha1.Package, existing []*pmv1alpha1.ClassDeployment) work {
	var todo work
	byName := make(map[string]*pmv1alpha1.ClassDeployment, len(existing))
	for _, deployment := range existing {
		byName[deployment.Name] = deployment
	}
	listed := sets.New[string]()
	for _, wanted := range pkg.Spec.Deployments {
		listed.Insert(wanted.Name)
		found := byName[wanted.Name]
		switch {
		case found == nil:
			todo.apply = append(todo.apply, wanted)
		case !metav1.IsControlledBy(found, pkg):
			todo.conflicts = append(todo.conflicts, wanted.Name)
		case found.DeletionTimestamp != nil:
			todo.waiting = append(todo.waiting, wanted.Name)
		default:
			todo.apply = append(todo.apply, wanted)
		}
	}
	for _, deployment := range existing {
		if metav1.IsControlledBy(deployment, pkg) && !listed.Has(deployment.Name) && deployment.DeletionTimestamp == nil {
			todo.remove = append(todo.remove, deployment)
		}
	}
	return todo
}

// applyDeployments brings the package's own deployments to what it says. It goes
// on after a failure, so that one deployment does not hold up the others; the
// error is what another attempt may mend.
func (c *Controller) applyDeployments(ctx context.Context, pkg *pmv1alpha1.Package) (applied, error) {
	existing, err := c.existing(pkg)
	if err != nil {
		return applied{}, err
	}
	todo := compare(pkg, existing)
	var outcome applied
	if len(todo.conflicts) > 0 {
		outcome.conflict = fmt.Sprintf("class deployment %s exists and does not belong to the package: delete it or name the package's own otherwise", wording.Names(todo.conflicts))
	}
	if len(todo.waiting) > 0 {
		outcome.waiting = fmt.Sprintf("class deployment %s is being deleted and is made again once it is gone", wording.Names(todo.waiting))
	}
	var refused []string
	var failures []error
	for _, wanted := range todo.apply {
		err := c.applyDeployment(ctx, pkg, wanted)
		switch {
		case err == nil:
		case isRefusal(err):
			refused = append(refused, err.Error())
		default:
			failures = append(failures, err)
		}
	}
	outcome.refused = strings.Join(refused, "; ")
	for _, deployment := range todo.remove {
		if err := c.deleteDeployment(ctx, deployment); err != nil {
			failures = append(failures, err)
			continue
		}
		c.events.Eventf(pkg, deployment, corev1.EventTypeNormal, "DeploymentRemoved", "Undeploy",
			"removed class deployment %s, which the package does not list any more", deployment.Name)
	}
	outcome.unknown = len(failures) > 0
	return outcome, errors.Join(failures...)
}

// existing are the deployments that belong to a package, and those of others that
// have the name of one that it lists.
func (c *Controller) existing(pkg *pmv1alpha1.Package) ([]*pmv1alpha1.ClassDeployment, error) {
	existing := cached.Find[*pmv1alpha1.ClassDeployment](c.deploymentIndex, byOwner, pkg.Namespace+"/"+string(pkg.UID))
	for _, wanted := range pkg.Spec.Deployments {
		found, err := c.deployments.ClassDeployments(pkg.Namespace).Get(wanted.Name)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading class deployment %s/%s: %w", pkg.Namespace, wanted.Name, err)
		}
		if !metav1.IsControlledBy(found, pkg) {
			existing = append(existing, found)
		}
	}
	return existing, nil
}

// isRefusal is true for an answer that stays the same until somebody changes
// something.
func isRefusal(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) || apierrors.IsRequestEntityTooLargeError(err)
}

// applyDeployment makes or changes one deployment. A new one is created, not
// applied: an apply would also take over one of that name that somebody else made
// a moment ago.
func (c *Controller) applyDeployment(ctx context.Context, pkg *pmv1alpha1.Package, wanted pmv1alpha1.PackageDeployment) error {
	live, err := c.deployments.ClassDeployments(pkg.Namespace).Get(wanted.Name)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("reading class deployment %s/%s: %w", pkg.Namespace, wanted.Name, err)
	}
	client := c.client.PmV1alpha1().ClassDeployments(pkg.Namespace)
	intent := intended(pkg, wanted)
	created := apierrors.IsNotFound(err)
	if created {
		live, err = client.Create(ctx, intent, metav1.CreateOptions{FieldManager: FieldManager})
		if err != nil {
			return fmt.Errorf("creating class deployment %s/%s: %w", pkg.Namespace, wanted.Name, err)
		}
		c.events.Eventf(pkg, live, corev1.EventTypeNormal, "DeploymentCreated", "Deploy", "created class deployment %s", wanted.Name)
	}
	patch, err := applyPatch(intent, live.UID)
	if err != nil {
		return fmt.Errorf("encoding class deployment %s/%s: %w", pkg.Namespace, wanted.Name, err)
	}
	if !created && c.appliedDeployment.has(live, patch) {
		return nil
	}
	if created {
		if _, err := c.ownByApply(ctx, live); err != nil {
			return err
		}
	}
	apply := func() (*pmv1alpha1.ClassDeployment, error) {
		after, err := client.Patch(ctx, wanted.Name, types.ApplyPatchType, patch, metav1.PatchOptions{FieldManager: FieldManager, Force: new(true)})
		if err != nil {
			return nil, fmt.Errorf("applying class deployment %s/%s: %w", pkg.Namespace, wanted.Name, err)
		}
		return after, nil
	}
	after, err := apply()
	if err != nil {
		return err
	}
	// An attempt that ended between creating and applying left this undone.
	again, err := c.ownByApply(ctx, after)
	if again {
		after, err = apply()
	}
	if err != nil {
		return err
	}
	c.appliedDeployment.note(after, patch)
	if !created && fingerprintOf(after) != fingerprintOf(live) {
		c.events.Eventf(pkg, after, corev1.EventTypeNormal, "DeploymentUpdated", "Deploy", "changed class deployment %s to what the package says", wanted.Name)
	}
	return nil
}

// ownByApply turns what the controller owns from creating a deployment into what
// it owns from applying it, so that a field that the package leaves out later
// goes. It tells whether there was something to turn.
func (c *Controller) ownByApply(ctx context.Context, live *pmv1alpha1.ClassDeployment) (bool, error) {
	if !slices.ContainsFunc(live.ManagedFields, func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager == FieldManager && e.Operation == metav1.ManagedFieldsOperationUpdate && e.Subresource == ""
	}) {
		return false, nil
	}
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(live.DeepCopy(), sets.New(FieldManager), FieldManager)
	if err != nil {
		return false, fmt.Errorf("reading the managed fields of class deployment %s/%s: %w", live.Namespace, live.Name, err)
	}
	if _, err := c.client.PmV1alpha1().ClassDeployments(live.Namespace).Patch(ctx, live.Name, types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: FieldManager}); err != nil {
		return false, fmt.Errorf("writing the managed fields of class deployment %s/%s: %w", live.Namespace, live.Name, err)
	}
	return true, nil
}

// deleteDeployment deletes this deployment, and no other that got its name.
func (c *Controller) deleteDeployment(ctx context.Context, deployment *pmv1alpha1.ClassDeployment) error {
	err := c.client.PmV1alpha1().ClassDeployments(deployment.Namespace).Delete(ctx, deployment.Name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &deployment.UID}, PropagationPolicy: ptr.To(metav1.DeletePropagationBackground),
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting class deployment %s/%s: %w", deployment.Namespace, deployment.Name, err)
	}
	return nil
}

// intended is a deployment as the package says it.
func intended(pkg *pmv1alpha1.Package, wanted pmv1alpha1.PackageDeployment) *pmv1alpha1.ClassDeployment {
	deployment := &pmv1alpha1.ClassDeployment{
		TypeMeta: metav1.TypeMeta{APIVersion: pmv1alpha1.SchemeGroupVersion.String(), Kind: "ClassDeployment"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace:       pkg.Namespace,
			Name:            wanted.Name,
			Labels:          maps.Clone(wanted.Labels),
			Annotations:     wanted.Annotations,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(pkg, pmv1alpha1.SchemeGroupVersion.WithKind("Package"))},
		},
	}
	if deployment.Labels == nil {
		deployment.Labels = map[string]string{}
	}
	deployment.Labels[LabelPackage] = pkg.Name
	wanted.Spec.DeepCopyInto(&deployment.Spec)
	deployment.Spec.PackageName = pkg.Name
	return deployment
}

// applyPatch is the intent as server-side apply takes it: nothing that the package
// does not say. The uid keeps it from another deployment that got the name.
func applyPatch(intent *pmv1alpha1.ClassDeployment, uid types.UID) ([]byte, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(intent)
	if err != nil {
		return nil, err
	}
	delete(content, "status")
	metadata := content["metadata"].(map[string]any)
	delete(metadata, "creationTimestamp")
	metadata["uid"] = string(uid)
	spec := content["spec"].(map[string]any)
	for field, value := range spec {
		if nested, ok := value.(map[string]any); ok && len(nested) == 0 {
			delete(spec, field)
		}
	}
	return json.Marshal(content)
}
