// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package parts

import (
	"context"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/validation"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/storage"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/registry/pm/computed"
)

// minPackages is the smallest number of packages that are read at a time for a
// page: most have a few parts, some have none.
const minPackages = 100

// source reads the parts of packages from their store. Lists are in the order of
// the packages in etcd, and by key within a package, so that a page needs no
// more packages than it shows.
type source[T computed.Object, D any] struct {
	kind   *Kind[T, D]
	store  Store
	window *computed.Window
}

// Get returns a part.
func (s *source[T, D]) Get(ctx context.Context, namespace, name, resourceVersion string) (T, error) {
	var none T
	notFound := apierrors.NewNotFound(pm.Resource(s.kind.Plural), name)
	packageName, key, ok := cut(name)
	if !ok {
		return none, notFound
	}
	write, err := writeAsked(resourceVersion)
	if err != nil {
		return none, err
	}
	found, err := s.store.Get(genericapirequest.WithNamespace(ctx, namespace), packageName, &metav1.GetOptions{ResourceVersion: write})
	switch {
	case apierrors.IsNotFound(err):
		return none, notFound
	case err != nil:
		return none, s.translate(err, resourceVersion)
	}
	p := found.(*pm.Package)
	definitions := s.kind.Definitions(p)
	for i := range definitions {
		if s.kind.Key(&definitions[i]) == key {
			read, err := writeOf(p)
			if err != nil {
				return none, err
			}
			return s.kind.of(p).make(&definitions[i], computed.FormatRevision(join(read, whole))), nil
		}
	}
	return none, notFound
}

// List returns the parts that match a query.
func (s *source[T, D]) List(ctx context.Context, query computed.Query) (computed.Page[T], error) {
	options, after, err := s.firstRead(query)
	if err != nil {
		return computed.Page[T]{}, err
	}
	ctx = genericapirequest.WithNamespace(ctx, query.Namespace)
	page := pageWriter[T, D]{kind: s.kind, query: query, after: after}
	for {
		read, err := s.store.List(ctx, options)
		if err != nil {
			return computed.Page[T]{}, s.listFailed(err, query, after)
		}
		list := read.(*pm.PackageList)
		write, err := writeOf(list)
		if err != nil {
			return computed.Page[T]{}, err
		}
		page.Revision = join(write, whole)
		for i := range list.Items {
			if err := page.add(&list.Items[i]); err != nil {
				return computed.Page[T]{}, err
			}
			if page.full {
				return page.Page, nil
			}
		}
		if list.Continue == "" {
			return page.Page, nil
		}
		// A list that is full at the end of a read begins the next page behind the
		// packages that were read.
		if page.complete() && len(list.Items) > 0 {
			page.continueAfter(position{list.Items[len(list.Items)-1].Namespace, list.Items[len(list.Items)-1].Name, lastKey})
			return page.Page, nil
		}
		options = &internalversion.ListOptions{Limit: options.Limit, Continue: list.Continue, FieldSelector: options.FieldSelector}
	}
}

// firstRead says how the packages are read first, and the position that the page
// begins after.
func (s *source[T, D]) firstRead(query computed.Query) (*internalversion.ListOptions, position, error) {
	options := &internalversion.ListOptions{}
	if query.Limit > 0 {
		options.Limit = max(query.Limit, minPackages)
	}
	single, isSingle := packageOf(query)
	if isSingle {
		options.FieldSelector = fields.OneTermEqualSelector("metadata.name", single)
	}
	if query.Continue == "" {
		return options, position{}, bindVersion(options, query)
	}

	token, err := computed.DecodeToken(query.Continue, positionParts)
	if err != nil {
		return nil, position{}, err
	}
	after := position{namespace: token.After[0], name: token.After[1], key: token.After[2]}
	if err := after.validate(query.Namespace); err != nil {
		return nil, position{}, err
	}
	if query.ResourceVersion != "" && query.ResourceVersion != "0" {
		return nil, position{}, apierrors.NewBadRequest("specifying resource version is not allowed when using continue")
	}
	write := computed.NewestRevision
	if token.Revision != computed.NewestRevision {
		asked, _ := split(uint64(token.Revision))
		if asked == 0 {
			return nil, position{}, apierrors.NewBadRequest("the continue token is not valid, it is from before the first write: start the list again without it")
		}
		write = int64(asked)
	}
	// One package needs no token of its own. Tokens of the packages' store begin at
	// a package, some parts of which the client may have seen.
	if isSingle {
		options.Limit = 0
		if write != computed.NewestRevision {
			options.ResourceVersion = computed.FormatRevision(uint64(write))
			options.ResourceVersionMatch = metav1.ResourceVersionMatchExact
		}
		return options, after, nil
	}
	start := after.name
	if query.Namespace == "" {
		start = after.namespace + "/" + after.name
	}
	options.Continue, err = storage.EncodeContinue("/"+start, "/", write)
	return options, after, err
}

// bindVersion asks the packages for the version that the client asked for.
func bindVersion(options *internalversion.ListOptions, query computed.Query) error {
	write, err := writeAsked(query.ResourceVersion)
	if err != nil {
		return err
	}
	exact := query.Match == metav1.ResourceVersionMatchExact || query.Match == "" && query.Limit > 0
	if write == "0" && query.ResourceVersion != "0" && exact {
		return errTooOld()
	}
	options.ResourceVersion, options.ResourceVersionMatch = write, query.Match
	return nil
}

// packageOf returns the only package that can have what a query selects, if
// there is only one.
func packageOf(query computed.Query) (string, bool) {
	name, ok := "", false
	if selector := query.Predicate.Field; selector != nil {
		if name, ok = selector.RequiresExactMatch("spec.packageName"); !ok {
			if name, ok = selector.RequiresExactMatch("metadata.name"); ok {
				name, _, ok = cut(name)
			}
		}
	}
	if !ok && query.Predicate.Label != nil {
		name, ok = query.Predicate.Label.RequiresExactMatch(pm.PackageLabel)
	}
	return name, ok && len(validation.IsDNS1123Label(name)) == 0
}

// listFailed explains why there is no page after a position. A token in the
// error of the packages' store is none of this list.
func (s *source[T, D]) listFailed(err error, query computed.Query, after position) error {
	switch {
	case !apierrors.IsResourceExpired(err):
		return s.translate(err, query.ResourceVersion)
	case query.Continue != "":
		return computed.ContinueExpired(after.parts())
	default:
		return errTooOld()
	}
}

// errTooOld is the answer to an exact version that etcd does not remember.
func errTooOld() error {
	return apierrors.NewResourceExpired("The resourceVersion for the provided list is too old.")
}

// translate makes errors of the packages speak of the versions of parts.
func (s *source[T, D]) translate(err error, resourceVersion string) error {
	if !storage.IsTooLargeResourceVersion(err) {
		return err
	}
	asked, parseErr := computed.ParseRevision(resourceVersion)
	if parseErr != nil {
		return parseErr
	}
	return storage.NewTooLargeResourceVersionError(asked, s.window.Reached(), 1)
}

// cut takes the name of a part apart. Names of packages have no dot.
func cut(name string) (packageName, key string, ok bool) {
	packageName, key, ok = strings.Cut(name, ".")
	return packageName, key, ok && packageName != "" && key != ""
}
