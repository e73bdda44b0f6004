// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// FieldManager owns the fields that deploy sets.
	FieldManager = "kubectl-oaas"
	// parallel is the number of requests at a time.
	parallel = 8
)

// dryRun says how much of a change is done.
type dryRun string

const (
	dryRunNone   dryRun = "none"
	dryRunClient dryRun = "client"
	dryRunServer dryRun = "server"
)

func parseDryRun(text string) (dryRun, error) {
	switch d := dryRun(text); d {
	case dryRunNone, dryRunClient, dryRunServer:
		return d, nil
	}
	return "", usageErrorf("--dry-run=%s is not one of none, client, server", text)
}

// suffix marks a line of output that stands for nothing done.
func (d dryRun) suffix() string {
	if d == dryRunNone {
		return ""
	}
	return fmt.Sprintf(" (%s dry run)", d)
}

// operation is what an apply did to an object.
type operation string

const (
	opCreated    operation = "created"
	opConfigured operation = "configured"
	opUnchanged  operation = "unchanged"
	opChecked    operation = "checked"
)

// applied is the outcome of applying an item.
type applied struct {
	item
	operation operation
	object    *unstructured.Unstructured
}

// applier applies items server-side.
type applier struct {
	*connection
	force  bool
	strict bool
}

// listFrom is the number of objects of a kind from which one list is cheaper than
// reading them one by one.
const listFrom = 10

// readBefore notes what the server has of each item, to tell later what changed.
func (a *applier) readBefore(ctx context.Context, items []item) error {
	type place struct {
		kind      kind
		namespace string
	}
	groups := map[place][]int{}
	for i := range items {
		p := place{items[i].kind, items[i].GetNamespace()}
		groups[p] = append(groups[p], i)
	}
	var errs []error
	for p, indices := range groups {
		client := a.resource(p.kind, p.namespace)
		if len(indices) < listFrom {
			for _, i := range indices {
				before, err := client.Get(ctx, items[i].GetName(), metav1.GetOptions{})
				switch {
				case err == nil:
					items[i].before = before
				case !apierrors.IsNotFound(err):
					errs = append(errs, explainItem(items[i], err))
				}
			}
			continue
		}
		list, err := client.List(ctx, metav1.ListOptions{})
		if err != nil {
			errs = append(errs, fmt.Errorf("listing %s: %w", p.kind.resource, err))
			continue
		}
		found := make(map[string]*unstructured.Unstructured, len(list.Items))
		for i := range list.Items {
			found[list.Items[i].GetName()] = &list.Items[i]
		}
		for _, i := range indices {
			items[i].before = found[items[i].GetName()]
		}
	}
	return errors.Join(errs...)
}

// applyAll applies the items kind by kind, several of a kind at a time, and
// packages after those that they depend on. It goes on after a failure within a
// kind, so that all errors of it are seen at once; a dry run also goes on to the
// next kind, because nothing builds on it.
func (a *applier) applyAll(ctx context.Context, items []item, dry dryRun) ([]applied, error) {
	results := make([]applied, len(items))
	errs := make([]error, len(items))
	for start := 0; start < len(items); {
		end := start
		for end < len(items) && items[end].kind == items[start].kind {
			end++
		}
		a.applyKind(ctx, items[start:end], dry, results[start:end], errs[start:end])
		if err := errors.Join(errs...); err != nil && dry == dryRunNone {
			return succeeded(results), err
		}
		start = end
	}
	return succeeded(results), errors.Join(errs...)
}

// applyKind applies items of one kind, wave by wave. Those that fail are tried
// again as long as others succeed: a package may take away what another one of the
// same files does not use any more once it is applied, too.
func (a *applier) applyKind(ctx context.Context, items []item, dry dryRun, results []applied, errs []error) {
	left := len(items)
	for {
		for _, wave := range waves(items) {
			var group errgroup.Group
			group.SetLimit(parallel)
			for _, i := range wave {
				if results[i].object != nil {
					continue
				}
				group.Go(func() error {
					results[i], errs[i] = a.apply(ctx, items[i], dry)
					return nil
				})
			}
			_ = group.Wait()
		}
		failed := len(items) - len(succeeded(results))
		if failed == 0 || failed == left || dry != dryRunNone || ctx.Err() != nil {
			break
		}
		left = failed
	}
	if dry != dryRunServer {
		return
	}
	for i := range items {
		if errs[i] != nil && isAboutOthers(errs[i]) && hasNeighbours(items, i) {
			// The server can only check it once the others are what the files say.
			results[i], errs[i] = applied{item: items[i], operation: opChecked, object: items[i].Unstructured}, nil
		}
	}
}

// succeeded are the results that are there.
func succeeded(results []applied) []applied {
	var out []applied
	for _, r := range results {
		if r.object != nil {
			out = append(out, r)
		}
	}
	return out
}

func (a *applier) apply(ctx context.Context, i item, dry dryRun) (applied, error) {
	data, err := json.Marshal(i.Object)
	if err != nil {
		return applied{}, explainItem(i, err)
	}
	options := metav1.PatchOptions{FieldManager: FieldManager, Force: &a.force, FieldValidation: metav1.FieldValidationWarn}
	if a.strict {
		options.FieldValidation = metav1.FieldValidationStrict
	}
	if dry == dryRunServer {
		options.DryRun = []string{metav1.DryRunAll}
	}
	after, err := a.resource(i.kind, i.GetNamespace()).Patch(ctx, i.GetName(), types.ApplyPatchType, data, options)
	if err != nil {
		return applied{}, explainItem(i, err)
	}
	return applied{item: i, operation: compare(i.before, after), object: after}, nil
}

// compare tells what an apply did. The content decides, not the resource version:
// a dry run keeps it, and a controller's status moves it at any moment.
func compare(before, after *unstructured.Unstructured) operation {
	if before == nil {
		return opCreated
	}
	if equality.Semantic.DeepEqual(wanted(before), wanted(after)) {
		return opUnchanged
	}
	return opConfigured
}

// wanted is the part of an object that users write.
func wanted(u *unstructured.Unstructured) map[string]any {
	return map[string]any{"spec": u.Object["spec"], "labels": u.GetLabels(), "annotations": u.GetAnnotations()}
}

// explainItem says what the server refused, field by field, and what to do.
func explainItem(i item, err error) error {
	prefix := fmt.Sprintf("%s: %s", i.where, i.title())
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return fmt.Errorf("%s: %w", prefix, err)
	}
	causes := status.Status().Details.Causes
	switch {
	case apierrors.IsConflict(err) && len(causes) > 0:
		var b strings.Builder
		fmt.Fprintf(&b, "%s: other field managers own fields that the file sets (409 Conflict):", prefix)
		for _, cause := range causes {
			fmt.Fprintf(&b, "\n  %s: %s", i.locate(strings.TrimPrefix(cause.Field, ".")), cause.Message)
		}
		b.WriteString("\nRemove these fields from the file to leave them to their managers, or pass --force-conflicts to take them over.")
		return &refusal{message: b.String(), err: err}
	case apierrors.IsInvalid(err) && len(causes) > 0:
		var b strings.Builder
		fmt.Fprintf(&b, "%s is refused:", prefix)
		for _, cause := range causes {
			fmt.Fprintf(&b, "\n  %s: %s", i.locate(cause.Field), cause.Message)
		}
		return &refusal{message: b.String(), err: err}
	}
	return fmt.Errorf("%s: %w", prefix, err)
}

// locate names a field of the API as the file does, with its line.
func (i item) locate(apiPath string) string {
	field, line := i.source.Locate(apiPath)
	if line == 0 {
		return field
	}
	return fmt.Sprintf("%s:%d: %s", i.file, line, field)
}

// refusal is the server's answer in words that lead to the file.
type refusal struct {
	message string
	err     error
}

func (r *refusal) Error() string { return r.message }
func (r *refusal) Unwrap() error { return r.err }
