// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	storeerr "k8s.io/apiserver/pkg/storage/errors"
	"k8s.io/apiserver/pkg/util/dryrun"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/wording"
)

// Delete removes a package, unless others depend on it or deployments use it.
//
// A package without deployments is gone at once. One with deployments of its own,
// or with any when the client asks for propagation in the foreground, is marked as
// being deleted and waits for the package controller to undeploy them. So does one
// whose spec has deployments, even if none is to be seen: they may be in the making.
func (r *REST) Delete(
	ctx context.Context, name string, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions,
) (runtime.Object, bool, error) {
	if options == nil {
		options = metav1.NewDeleteOptions(0)
	}
	write := r.edges.begin(dryrun.IsDryRun(options.DryRun))
	bounded, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	obj, gone, err := r.delete(bounded, write, name, validate, options)
	write.end(ctx, err)
	return obj, gone, err
}

func (r *REST) delete(
	ctx context.Context, write *write, name string, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions,
) (runtime.Object, bool, error) {
	users, err := r.deployments.Using(ctx, request.NamespaceValue(ctx), name)
	if err != nil {
		return nil, false, fmt.Errorf("look for class deployments that use package %q: %w", name, err)
	}
	policy := propagation(options)
	check := func(ctx context.Context, obj runtime.Object) error {
		write.tried = false
		if validate != nil {
			if err := validate(ctx, obj); err != nil {
				return err
			}
		}
		p := obj.(*pm.Package)
		if p.DeletionTimestamp != nil {
			return write.try(nil)
		}
		if err := write.mayGo(ctx, p); err != nil {
			return err
		}
		return write.try(mayUndeploy(p, users, policy))
	}
	if len(users) > 0 {
		return r.deleteAfterUndeploying(ctx, name, check, options)
	}
	obj, gone, err := r.REST.Delete(ctx, name, func(ctx context.Context, obj runtime.Object) error {
		if err := check(ctx, obj); err != nil {
			return err
		}
		if p := obj.(*pm.Package); p.DeletionTimestamp == nil && len(p.Spec.Deployments) > 0 {
			return errMayDeploy
		}
		return nil
	}, options)
	if errors.Is(err, errMayDeploy) {
		return r.deleteAfterUndeploying(ctx, name, check, options)
	}
	return obj, gone, err
}

// errMayDeploy stops the removal of a package whose deployments may be in the
// making.
var errMayDeploy = errors.New("the package has deployments of its own")

// mayGo refuses to delete a package that others need, whatever the client asks for.
func (w *write) mayGo(ctx context.Context, p *pm.Package) error {
	if !dependedOn(p) {
		return nil
	}
	// Most often it can be told without keeping anybody from depending on it.
	need, err := w.edges.certain(ctx, p)
	if err != nil {
		return err
	}
	if len(need) > 0 {
		return stillNeeded(p, need)
	}
	dependents, drafts, err := w.takeFrom(ctx, p)
	if err != nil {
		return err
	}
	if len(dependents) > 0 {
		return stillNeeded(p, namesOf(dependents))
	}
	var pending []string
	for i := range drafts {
		if _, needs := needsOf(&drafts[i])[p.Name]; needs {
			pending = append(pending, drafts[i].Name)
		}
	}
	if len(pending) > 0 {
		slices.Sort(pending)
		return apierrors.NewConflict(pm.Resource("packages"), p.Name, fmt.Errorf(
			"changes that are under way make other packages depend on it: %s: try again", wording.Names(slices.Compact(pending))))
	}
	return nil
}

func stillNeeded(p *pm.Package, by []string) error {
	return apierrors.NewConflict(pm.Resource("packages"), p.Name, fmt.Errorf(
		"other packages depend on it: %s: delete them first, or remove it from their spec.dependencies", wording.Names(by)))
}

// certain are dependents of a package, if the watch cache knows some and etcd
// confirms one of the first of them.
func (e *edges) certain(ctx context.Context, p *pm.Package) ([]string, error) {
	known, err := e.dependents(ctx, p.Namespace, p.Name, asCached)
	if err != nil {
		return nil, err
	}
	names := namesOf(known)
	first := min(len(names), wording.ShownNames)
	var confirmed []string
	for _, name := range names[:first] {
		dependent, err := e.fresh(ctx, p.Namespace, name)
		if err != nil {
			return nil, err
		}
		if _, needs := needsOf(dependent)[p.Name]; needs {
			confirmed = append(confirmed, name)
		}
	}
	if len(confirmed) == 0 {
		return nil, nil
	}
	return append(confirmed, names[first:]...), nil
}

// mayUndeploy refuses to take deployments from under those who made them, unless
// the client asks for it, and to leave deployments without their package.
func mayUndeploy(p *pm.Package, users []*pm.ClassDeployment, policy metav1.DeletionPropagation) error {
	var own, foreign []string
	for _, deployment := range users {
		if slices.ContainsFunc(deployment.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == p.UID }) {
			own = append(own, deployment.Name)
		} else {
			foreign = append(foreign, deployment.Name)
		}
	}
	all := slices.Concat(foreign, own)
	switch {
	case len(all) == 0:
		return nil
	case policy == metav1.DeletePropagationOrphan:
		return apierrors.NewConflict(pm.Resource("packages"), p.Name, fmt.Errorf(
			"class deployments use it and cannot be orphaned: %s: delete them first, or use propagationPolicy Foreground to undeploy them with the package",
			wording.Names(all)))
	case policy != metav1.DeletePropagationForeground && len(foreign) > 0:
		return apierrors.NewConflict(pm.Resource("packages"), p.Name, fmt.Errorf(
			"class deployments use it: %s: delete them first, or use propagationPolicy Foreground (kubectl delete --cascade=foreground) to undeploy them with the package",
			wording.Names(foreign)))
	}
	return nil
}

// deleteAfterUndeploying marks a package as being deleted and sets, in the same
// write, the finalizer that keeps it until its deployments are gone.
func (r *REST) deleteAfterUndeploying(
	ctx context.Context, name string, check rest.ValidateObjectFunc, options *metav1.DeleteOptions,
) (runtime.Object, bool, error) {
	key, err := r.KeyFunc(ctx, name)
	if err != nil {
		return nil, false, err
	}
	preconditions := &storage.Preconditions{}
	if options.Preconditions != nil {
		preconditions.UID, preconditions.ResourceVersion = options.Preconditions.UID, options.Preconditions.ResourceVersion
	}
	out := r.NewFunc()
	err = r.Store.Storage.GuaranteedUpdate(ctx, key, out, false, preconditions, storage.SimpleUpdate(
		func(existing runtime.Object) (runtime.Object, error) {
			if err := check(ctx, existing); err != nil {
				return nil, err
			}
			if _, _, err := rest.BeforeDelete(r.DeleteStrategy, ctx, existing, options); err != nil {
				return nil, err
			}
			r.markDeleted(existing.(*pm.Package), propagation(options))
			return existing, nil
		}), dryrun.IsDryRun(options.DryRun), nil)
	if err != nil {
		return nil, false, storeerr.InterpretUpdateError(err, pm.Resource("packages"), name)
	}
	return out, false, nil
}

func (r *REST) markDeleted(p *pm.Package, policy metav1.DeletionPropagation) {
	if p.DeletionTimestamp != nil {
		return
	}
	p.DeletionTimestamp = new(metav1.NewTime(r.edges.clock.Now()))
	p.DeletionGracePeriodSeconds = new(int64(0))
	p.Generation++
	if !slices.Contains(p.Finalizers, pm.PackageFinalizer) {
		p.Finalizers = append(p.Finalizers, pm.PackageFinalizer)
	}
	foreground := r.EnableGarbageCollection && policy == metav1.DeletePropagationForeground
	if foreground && !slices.Contains(p.Finalizers, metav1.FinalizerDeleteDependents) {
		// What else the package owns goes before it, too.
		p.Finalizers = append(p.Finalizers, metav1.FinalizerDeleteDependents)
	}
}

// propagation is what the client asks to happen to what belongs to the package.
func propagation(options *metav1.DeleteOptions) metav1.DeletionPropagation {
	switch {
	case options.PropagationPolicy != nil:
		return *options.PropagationPolicy
	case options.OrphanDependents != nil && *options.OrphanDependents: //nolint:staticcheck // clients older than the policy send it
		return metav1.DeletePropagationOrphan
	}
	return metav1.DeletePropagationBackground
}
