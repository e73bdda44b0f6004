// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package parts

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/registry/pm/computed"
)

// retryAfter is how long the follower waits before it reads the packages again:
// long enough for a store that is away, short enough for one that comes back.
const retryAfter = 250 * time.Millisecond

// feed takes what the follower tells of one kind of parts.
type feed interface {
	// reset begins anew with the packages of a write.
	reset(write uint64)
	// wrote tells of a write: nil stands for a package that was not there before,
	// or is not any more.
	wrote(write uint64, previous, current *pm.Package)
	// nothing tells that no package was written up to a write.
	nothing(write uint64)
}

// follower reads the watch of the packages and tells its feeds of each write. It
// keeps a reference to each package, to tell what a write changed.
type follower struct {
	store Store
	feeds []feed
	clock clock.Clock

	// known are the packages as they were last seen.
	known map[packageKey]*pm.Package
	// seen is the last write, or point between writes, that the feeds were told of; 0
	// before the packages were listed.
	seen uint64
}

type packageKey struct{ namespace, name string }

func keyOf(p *pm.Package) packageKey { return packageKey{p.Namespace, p.Name} }

// run follows until the context ends. The store's watch ends whenever its cache
// begins anew, and fails while etcd is away; the follower then goes on where it was,
// or begins anew where that is not possible.
func (f *follower) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := f.follow(ctx); err != nil && ctx.Err() == nil {
			if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
				f.seen = 0
				continue
			}
			klog.FromContext(ctx).V(2).Info("Reading the packages again", "reason", err.Error())
			select {
			case <-f.clock.After(retryAfter):
			case <-ctx.Done():
			}
		}
	}
}

// follow reads one watch to its end.
func (f *follower) follow(ctx context.Context) error {
	if f.seen == 0 {
		if err := f.list(ctx); err != nil {
			return err
		}
	}
	watched, err := f.store.Watch(ctx, &internalversion.ListOptions{
		LabelSelector: labels.Everything(), FieldSelector: fields.Everything(),
		ResourceVersion: computed.FormatRevision(f.seen), AllowWatchBookmarks: true,
	})
	if err != nil {
		return fmt.Errorf("watch packages: %w", err)
	}
	defer watched.Stop()
	for {
		select {
		case event, open := <-watched.ResultChan():
			if !open {
				return errWatchEnded
			}
			if err := f.take(ctx, event); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take tells the feeds of an event of the watch.
func (f *follower) take(ctx context.Context, event watch.Event) error {
	if event.Type == watch.Error {
		return apierrors.FromObject(event.Object)
	}
	current, err := f.receive(ctx, event)
	if err != nil {
		return err
	}
	write, err := writeOf(current)
	if err != nil {
		return err
	}
	f.tell(event.Type, write, current)
	return nil
}

// errWatchEnded is why a watch is opened again.
var errWatchEnded = errors.New("the watch of packages ended")

func (f *follower) list(ctx context.Context) error {
	read, err := f.store.List(ctx, &internalversion.ListOptions{})
	if err != nil {
		return fmt.Errorf("list packages: %w", err)
	}
	list := read.(*pm.PackageList)
	write, err := writeOf(list)
	if err != nil {
		return err
	}
	f.begin(write, list)
	for _, feed := range f.feeds {
		feed.reset(write)
	}
	return nil
}

// begin takes the packages of a list for what is known.
func (f *follower) begin(write uint64, list *pm.PackageList) {
	f.known = make(map[packageKey]*pm.Package, len(list.Items))
	for i := range list.Items {
		// A copy of its own lets go of the list when the package changes. It shares
		// everything that it points at with the store's cache.
		p := list.Items[i]
		f.known[keyOf(&p)] = &p
	}
	f.seen = write
}

// tell tells the feeds what a watch told.
func (f *follower) tell(change watch.EventType, write uint64, current *pm.Package) {
	f.seen = max(f.seen, write)
	if change == watch.Bookmark {
		for _, feed := range f.feeds {
			feed.nothing(write)
		}
		return
	}
	key := keyOf(current)
	previous := f.known[key]
	if change == watch.Deleted {
		current = nil
		delete(f.known, key)
	} else {
		f.known[key] = current
	}
	for _, feed := range f.feeds {
		feed.wrote(write, previous, current)
	}
}

// receive takes the package out of an event. The store gives each watcher a copy
// of its own; the follower keeps what the store's cache holds instead, if it is
// the same version, so that packages are in memory once.
func (f *follower) receive(ctx context.Context, event watch.Event) (*pm.Package, error) {
	received, err := packageIn(event.Object)
	if err != nil || event.Type != watch.Added && event.Type != watch.Modified {
		return received, err
	}
	cached, err := f.store.Get(genericapirequest.WithNamespace(ctx, received.Namespace), received.Name,
		&metav1.GetOptions{ResourceVersion: "0"})
	if err == nil {
		if shared, ok := cached.(*pm.Package); ok && shared.ResourceVersion == received.ResourceVersion {
			return shared, nil
		}
	}
	return received, nil
}

// packageIn unwraps an object of a watch: the store's cache wraps objects that
// many watchers are told of.
func packageIn(object runtime.Object) (*pm.Package, error) {
	if wrapped, ok := object.(runtime.CacheableObject); ok {
		object = wrapped.GetObject()
	}
	p, ok := object.(*pm.Package)
	if !ok {
		return nil, fmt.Errorf("the watch of packages told of %T", object)
	}
	return p, nil
}
