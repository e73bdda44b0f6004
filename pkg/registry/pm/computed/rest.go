// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package computed

import (
	"context"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/watch"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"

	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/registry/pm/stored"
)

// REST serves a computed resource.
type REST[T Object] struct {
	rest.TableConvertor
	resource Resource[T]
}

// NewREST serves a resource.
func NewREST[T Object](resource Resource[T]) *REST[T] {
	return &REST[T]{TableConvertor: stored.NewTableConvertor(resource.Columns), resource: resource}
}

// New makes an empty object.
func (r *REST[T]) New() runtime.Object { return r.resource.New() }

// NewList makes an empty list.
func (r *REST[T]) NewList() runtime.Object { return r.resource.NewList(nil) }

// Destroy ends all watches and what feeds them.
func (r *REST[T]) Destroy() {
	r.resource.Destroy()
	r.resource.Window.Close()
}

// NamespaceScoped is true for objects that live in namespaces.
func (r *REST[T]) NamespaceScoped() bool { return r.resource.Namespaced() }

// GetSingularName is a name that kubectl also accepts.
func (r *REST[T]) GetSingularName() string { return r.resource.Singular }

// ShortNames are further names that kubectl accepts.
func (r *REST[T]) ShortNames() []string { return r.resource.ShortNames }

// Categories are the groups of resources that the resource is listed with.
func (*REST[T]) Categories() []string { return []string{resources.Category} }

// Get returns an object.
func (r *REST[T]) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	version := ""
	if options != nil {
		version = options.ResourceVersion
	}
	if _, err := ParseRevision(version); err != nil {
		return nil, err
	}
	// A nil T in an interface would not be nil.
	object, err := r.resource.Source.Get(ctx, genericapirequest.NamespaceValue(ctx), name, version)
	if err != nil {
		return nil, err
	}
	return shallow(object), nil
}

// List returns the objects that match the options.
func (r *REST[T]) List(ctx context.Context, options *internalversion.ListOptions) (runtime.Object, error) {
	query, err := r.query(ctx, options)
	if err != nil {
		return nil, err
	}
	page, err := r.resource.Source.List(ctx, query)
	if err != nil {
		return nil, err
	}
	list := r.resource.NewList(page.Items)
	accessor, err := meta.ListAccessor(list)
	if err != nil {
		return nil, fmt.Errorf("describe a list of %s: %w", r.resource.Plural, err)
	}
	accessor.SetResourceVersion(FormatRevision(page.Revision))
	accessor.SetContinue(page.Continue)
	accessor.SetRemainingItemCount(page.Remaining)
	return list, nil
}

// shallow copies an object, but not what it points at. The codecs of the server
// write the kind into an object while they encode it, and leave the rest alone:
// each answer needs an object of its own.
func shallow(object runtime.Object) runtime.Object {
	original := reflect.ValueOf(object).Elem()
	fresh := reflect.New(original.Type())
	fresh.Elem().Set(original)
	return fresh.Interface().(runtime.Object)
}

// Watch tells the changes of the objects that match the options.
func (r *REST[T]) Watch(ctx context.Context, options *internalversion.ListOptions) (watch.Interface, error) {
	if options == nil {
		options = &internalversion.ListOptions{}
	}
	query, err := r.query(ctx, options)
	if err != nil {
		return nil, err
	}
	since, err := ParseRevision(options.ResourceVersion)
	if err != nil {
		return nil, err
	}
	request := WatchRequest{
		Since:     since,
		Matches:   query.Matches,
		Bookmarks: options.AllowWatchBookmarks,
		New:       r.New,
	}
	if err := r.resource.Window.Ready(ctx); err != nil {
		return nil, err
	}

	streamed := options.SendInitialEvents != nil && *options.SendInitialEvents
	switch {
	case streamed || since == 0 && options.SendInitialEvents == nil:
		// A list that is older than what the client asked for would take it back in
		// time; one that is newer is what it is to be told.
		query.Limit, query.Continue, query.Match = 0, "", ""
		if since == 0 {
			query.ResourceVersion = ""
		} else {
			query.Match = metav1.ResourceVersionMatchNotOlderThan
		}
		page, err := r.resource.Source.List(ctx, query)
		if err != nil {
			return nil, err
		}
		request.Since = page.Revision
		request.Initial = make([]runtime.Object, 0, len(page.Items))
		for _, item := range page.Items {
			request.Initial = append(request.Initial, item)
		}
		request.InitialEventsEnd = streamed && options.AllowWatchBookmarks
	case since == 0:
		// The client wants what changes from now on; the shortest list tells when that
		// is.
		query.Limit, query.Continue, query.Match, query.ResourceVersion = 1, "", "", ""
		page, err := r.resource.Source.List(ctx, query)
		if err != nil {
			return nil, err
		}
		request.Since = page.Revision
	}
	return r.resource.Window.Watch(ctx, request), nil
}

func (r *REST[T]) query(ctx context.Context, options *internalversion.ListOptions) (Query, error) {
	query := Query{Predicate: storage.SelectionPredicate{
		Label: labels.Everything(), Field: fields.Everything(), GetAttrs: r.attributes,
	}}
	if r.NamespaceScoped() {
		query.Namespace = genericapirequest.NamespaceValue(ctx)
	}
	if options == nil {
		return query, nil
	}
	if options.LabelSelector != nil {
		query.Predicate.Label = options.LabelSelector
	}
	if options.FieldSelector != nil {
		query.Predicate.Field = options.FieldSelector
	}
	// A selector of one namespace spares the source the others.
	if namespace, ok := query.Predicate.MatchesSingleNamespace(); ok && r.NamespaceScoped() && query.Namespace == "" &&
		len(validation.IsDNS1123Label(namespace)) == 0 {
		query.Namespace = namespace
	}
	if _, err := ParseRevision(options.ResourceVersion); err != nil {
		return Query{}, err
	}
	query.ResourceVersion, query.Match = options.ResourceVersion, options.ResourceVersionMatch
	query.Limit, query.Continue = options.Limit, options.Continue
	return query, nil
}

// attributes are what selectors see of an object.
func (r *REST[T]) attributes(object runtime.Object) (labels.Set, fields.Set, error) {
	typed, ok := object.(T)
	if !ok {
		return nil, nil, fmt.Errorf("%T is not one of %s", object, r.resource.Plural)
	}
	set := r.resource.FieldValues(typed)
	set["metadata.name"] = typed.GetName()
	if r.NamespaceScoped() {
		set["metadata.namespace"] = typed.GetNamespace()
	}
	return typed.GetLabels(), set, nil
}

var (
	_ rest.Getter               = (*REST[Object])(nil)
	_ rest.Lister               = (*REST[Object])(nil)
	_ rest.Watcher              = (*REST[Object])(nil)
	_ rest.Scoper               = (*REST[Object])(nil)
	_ rest.Storage              = (*REST[Object])(nil)
	_ rest.ShortNamesProvider   = (*REST[Object])(nil)
	_ rest.CategoriesProvider   = (*REST[Object])(nil)
	_ rest.SingularNameProvider = (*REST[Object])(nil)
)
