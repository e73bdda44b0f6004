// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/packagegraph"
)

const (
	// deletionPage bounds how many packages are read from the store at a time.
	deletionPage = 500
	// shownRefusals bounds how many refusals one answer explains.
	shownRefusals = 8
)

// DeleteCollection removes packages, each before those that it depends on, so
// that none is kept by another that goes too. It goes on after a refusal: a
// namespace is deleted by asking again until nothing is left, and each time as much
// must go as can.
func (r *REST) DeleteCollection(
	ctx context.Context, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions, selection *metainternalversion.ListOptions,
) (runtime.Object, error) {
	selected, err := r.selected(ctx, selection)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]*pm.Package, len(selected.Items))
	graph := make(packagegraph.Graph, len(selected.Items))
	for i := range selected.Items {
		p := &selected.Items[i]
		byName[p.Name], graph[p.Name] = p, nil
		for _, dependency := range p.Spec.Dependencies {
			graph[p.Name] = append(graph[p.Name], dependency.Name)
		}
	}
	var refused refusals
	for _, name := range graph.DependentsFirst() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		// Deleting changes the options.
		_, _, err := r.Delete(ctx, name, validate, options.DeepCopy())
		if err != nil && !apierrors.IsNotFound(err) {
			refused.add(byName[name], err)
		}
	}
	if err := refused.error(); err != nil {
		return nil, err
	}
	return selected, nil
}

// selected reads all packages that a selection means, in pages unless the client
// asks for one page only.
func (r *REST) selected(ctx context.Context, selection *metainternalversion.ListOptions) (*pm.PackageList, error) {
	page := &metainternalversion.ListOptions{}
	if selection != nil {
		page = selection.DeepCopy()
	}
	onlyOne := page.Limit > 0
	if !onlyOne {
		page.Limit = deletionPage
	}
	all := &pm.PackageList{}
	for {
		obj, err := r.List(ctx, page)
		if err != nil {
			return nil, err
		}
		read, ok := obj.(*pm.PackageList)
		if !ok {
			return nil, fmt.Errorf("listing packages gave %T", obj)
		}
		if all.ResourceVersion == "" {
			all.ListMeta = read.ListMeta
		}
		all.Items = append(all.Items, read.Items...)
		if onlyOne || read.Continue == "" {
			if !onlyOne {
				all.Continue, all.RemainingItemCount = "", nil
			}
			return all, nil
		}
		page.Continue, page.ResourceVersion, page.ResourceVersionMatch = read.Continue, "", ""
	}
}

// refusals are why packages of a collection stay.
type refusals struct {
	errs   []error
	causes []metav1.StatusCause
	// worst is the refusal whose code the answer has: a failure of the server
	// rather than a rule.
	worst metav1.Status
}

func (r *refusals) add(p *pm.Package, err error) {
	status := apierrors.NewInternalError(err).Status()
	var known apierrors.APIStatus
	if errors.As(err, &known) {
		status = known.Status()
	}
	if status.Code > r.worst.Code {
		r.worst = status
	}
	r.errs = append(r.errs, err)
	if len(r.causes) < shownRefusals {
		r.causes = append(r.causes, metav1.StatusCause{Type: metav1.CauseType(status.Reason), Field: p.Name, Message: status.Message})
	}
}

// error joins the refusals into one answer; nil without any.
func (r *refusals) error() error {
	if len(r.errs) == 0 {
		return nil
	}
	message := errors.Join(r.errs[:len(r.causes)]...).Error()
	if more := len(r.errs) - len(r.causes); more > 0 {
		message += fmt.Sprintf("\n%d more packages were refused too", more)
	}
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: r.worst.Code, Reason: r.worst.Reason,
		Message: fmt.Sprintf("%d packages were not deleted: %s", len(r.errs), message),
		Details: &metav1.StatusDetails{Group: pm.GroupName, Kind: "packages", Causes: r.causes},
	}}
}
