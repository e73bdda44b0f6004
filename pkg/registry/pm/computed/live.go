// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package computed

import (
	"cmp"
	"context"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/storage"
)

// Live is the source of objects that are all in memory. Earlier versions, for
// the later pages of a list, are worked out from the events of the window.
type Live[T Object] struct {
	// Resource is named in errors.
	Resource schema.GroupResource
	// Window that the changes of the objects are published in.
	Window *Window
	// Snapshot returns all objects and the revision that they are at. The slice is
	// the caller's.
	Snapshot func() ([]T, uint64)
	// Lookup returns an object, and whether there is one.
	Lookup func(namespace, name string) (T, bool)
}

// Get returns an object.
func (l *Live[T]) Get(ctx context.Context, namespace, name, resourceVersion string) (T, error) {
	var none T
	if err := l.waitFor(ctx, resourceVersion); err != nil {
		return none, err
	}
	object, found := l.Lookup(namespace, name)
	if !found {
		return none, apierrors.NewNotFound(l.Resource, name)
	}
	return object, nil
}

// List returns the objects that match a query, by namespace and name.
func (l *Live[T]) List(ctx context.Context, query Query) (Page[T], error) {
	if query.Continue != "" {
		token, err := DecodeToken(query.Continue, 2)
		if err != nil {
			return Page[T]{}, err
		}
		items, at := l.Snapshot()
		if token.Revision != NewestRevision {
			if items, err = l.rewind(items, at, uint64(token.Revision)); err != nil {
				return Page[T]{}, continueElsewhere(err, token)
			}
			at = uint64(token.Revision)
		}
		return l.cut(items, at, query, token.After)
	}

	requested, err := ParseRevision(query.ResourceVersion)
	if err != nil {
		return Page[T]{}, err
	}
	if err := l.waitFor(ctx, query.ResourceVersion); err != nil {
		return Page[T]{}, err
	}
	items, at := l.Snapshot()
	// With a limit and no word on how the version binds, it binds exactly.
	if exact := query.Match == metav1.ResourceVersionMatchExact || query.Match == "" && query.Limit > 0; exact && requested > 0 {
		if items, err = l.rewind(items, at, requested); err != nil {
			return Page[T]{}, err
		}
		at = requested
	}
	return l.cut(items, at, query, nil)
}

// waitFor waits a little until a version that the client saw elsewhere is here.
func (l *Live[T]) waitFor(ctx context.Context, resourceVersion string) error {
	revision, err := ParseRevision(resourceVersion)
	if err != nil {
		return err
	}
	if err := l.Window.Ready(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if err := l.Window.WaitFor(ctx, revision); err != nil {
		return storage.NewTooLargeResourceVersionError(revision, l.Window.Reached(), 1)
	}
	return nil
}

func (l *Live[T]) rewind(items []T, at, until uint64) ([]T, error) {
	if until > at {
		return nil, storage.NewTooLargeResourceVersionError(until, at, 1)
	}
	key := func(object runtime.Object) string {
		typed := object.(T)
		return typed.GetNamespace() + "/" + typed.GetName()
	}
	objects := make(map[string]runtime.Object, len(items))
	for _, item := range items {
		objects[key(item)] = item
	}
	if err := l.Window.Rewind(objects, key, at, until); err != nil {
		return nil, err
	}
	items = items[:0]
	for _, object := range objects {
		items = append(items, object.(T))
	}
	return items, nil
}

// cut returns the page after a position.
func (l *Live[T]) cut(items []T, at uint64, query Query, after []string) (Page[T], error) {
	page := Page[T]{Revision: at}
	slices.SortFunc(items, func(a, b T) int { return comparePosition(a, b.GetNamespace(), b.GetName()) })
	if after != nil {
		from, found := slices.BinarySearchFunc(items, after, func(item T, after []string) int {
			return comparePosition(item, after[0], after[1])
		})
		if found {
			from++
		}
		items = items[from:]
	}
	for i, item := range items {
		if query.Limit > 0 && int64(len(page.Items)) == query.Limit {
			last := items[i-1]
			page.Continue = Token{Revision: int64(at), After: []string{last.GetNamespace(), last.GetName()}}.Encode()
			if query.Predicate.Empty() && query.Namespace == "" {
				remaining := int64(len(items) - i)
				page.Remaining = &remaining
			}
			break
		}
		matches, err := query.Matches(item)
		if err != nil {
			return Page[T]{}, err
		}
		if matches {
			page.Items = append(page.Items, item)
		}
	}
	return page, nil
}

func comparePosition[T Object](item T, namespace, name string) int {
	return cmp.Or(cmp.Compare(item.GetNamespace(), namespace), cmp.Compare(item.GetName(), name))
}

// continueElsewhere gives a client whose list is too old to go on a token with
// which it goes on with what there is now.
func continueElsewhere(err error, token Token) error {
	if !apierrors.IsResourceExpired(err) {
		return err
	}
	return ContinueExpired(token.After)
}

// ContinueExpired is the answer to a continue token whose list nobody remembers
// any more, after a position. Clients know its text from every resource.
func ContinueExpired(after []string) error {
	status := apierrors.NewResourceExpired("The provided continue parameter is too old to display a consistent list result. " +
		"You can start a new list without the continue parameter, or use the continue token in this response to retrieve " +
		"the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that " +
		"were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.")
	status.ErrStatus.ListMeta.Continue = Token{Revision: NewestRevision, After: after}.Encode()
	return status
}
