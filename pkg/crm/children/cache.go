// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package children

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// syncTimeout bounds how long a record waits for a kind that is watched for the
// first time. It tries again later.
const (
	syncTimeout = 15 * time.Second
	syncPoll    = 10 * time.Millisecond
)

// Options of a Cache.
type Options struct {
	// Config reaches the API server.
	Config *rest.Config
	// Mapper tells which kinds the API server has by itself.
	Mapper meta.RESTMapper
	// Clock tells the time.
	Clock clock.PassiveClock
	// Log receives what is worth knowing about watches.
	Log logr.Logger
}

// Cache knows all children of all records. It does nothing before Start.
type Cache struct {
	dynamic  dynamic.Interface
	metadata metadata.Interface
	kinds    *kinds
	written  *written
	clock    clock.PassiveClock
	log      logr.Logger

	definitions cache.SharedIndexInformer
	watchKinds  sync.Once

	mu sync.Mutex
	// life ends with the program; nil before Start. It is the life of watches, which
	// outlive every call that begins one.
	life func() context.Context
	// queue receives records that something happened to.
	queue   workqueue.TypedRateLimitingInterface[reconcile.Request]
	watched map[schema.GroupVersionKind]*watchedKind
	// missed are the records that asked for a kind that was not there.
	missed map[schema.GroupKind]map[types.NamespacedName]struct{}
	// listeners hear of kinds that come and go.
	listeners []func(schema.GroupKind)
}

// New returns a Cache that watches nothing yet.
func New(options Options) (*Cache, error) {
	dynamicClient, err := dynamic.NewForConfig(options.Config)
	if err != nil {
		return nil, fmt.Errorf("set up watches of children: %w", err)
	}
	metadataClient, err := metadata.NewForConfig(options.Config)
	if err != nil {
		return nil, fmt.Errorf("set up watches of children: %w", err)
	}
	c := &Cache{
		dynamic:  dynamicClient,
		metadata: metadataClient,
		kinds:    newKinds(options.Mapper, options.Clock),
		written:  newWritten(options.Clock),
		clock:    options.Clock,
		log:      options.Log,
		watched:  map[schema.GroupVersionKind]*watchedKind{},
		missed:   map[schema.GroupKind]map[types.NamespacedName]struct{}{},
	}
	c.definitions = newInformer(dynamicClient.Resource(definitionResource).List, dynamicClient.Resource(definitionResource).Watch, nil)
	_, err = c.definitions.AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc:    c.definitionChanged,
		UpdateFunc: func(_, now any) { c.definitionChanged(now, false) },
		DeleteFunc: c.definitionGone,
	})
	return c, errors.Join(
		err,
		c.definitions.SetTransform(trimDefinition),
		c.definitions.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
			c.log.V(1).Info("watching definitions of kinds failed, trying again", "cause", err.Error())
		}),
	)
}

// Start makes the cache put the record of every child that something happens to
// into the queue, until ctx ends. It satisfies source.Source.
func (c *Cache) Start(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life != nil {
		return errors.New("the cache of children was started before")
	}
	c.life, c.queue = func() context.Context { return ctx }, queue
	c.WatchKinds(ctx)
	return nil
}

// WatchKinds makes the cache know which kinds the cluster serves, until ctx ends. A
// program that only asks for that, as one does which waits to become the leader,
// need not Start it. Only the first call counts.
func (c *Cache) WatchKinds(ctx context.Context) {
	c.watchKinds.Do(func() { go c.definitions.RunWithContext(ctx) })
}

// WaitForSync waits until the cache knows which kinds are served. It satisfies
// source.SyncingSource.
func (c *Cache) WaitForSync(ctx context.Context) error {
	if !cache.WaitForCacheSync(ctx.Done(), c.definitions.HasSynced) {
		return errors.New("the definitions of kinds cannot be watched: allow get, list and watch of customresourcedefinitions")
	}
	return nil
}

// Listen calls f whenever a kind comes or leaves. Call it before Start; f must not
// block.
func (c *Cache) Listen(f func(schema.GroupKind)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners = append(c.listeners, f)
}

// Served tells whether the cluster serves any version of a kind.
func (c *Cache) Served(kind schema.GroupKind) bool { return c.kinds.served(kind) }

// Need makes sure that a kind is watched and everything of it known. For a kind
// that the cluster does not serve it returns a NotServedError, and the record is
// queued as soon as the cluster does.
func (c *Cache) Need(ctx context.Context, record types.NamespacedName, gvk schema.GroupVersionKind) error {
	watched, err := c.watch(record, gvk)
	if err != nil {
		return err
	}
	if watched.informer.HasSynced() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	err = wait.PollUntilContextCancel(ctx, syncPoll, true, func(context.Context) (bool, error) {
		if watched.informer.HasSynced() {
			return true, nil
		}
		// The watch goes on trying; the record, and those after it, need not wait for that.
		return false, lasting(watched.failure())
	})
	if err != nil {
		return fmt.Errorf("watch objects of kind %s: %w", gvk.Kind, cmp.Or(watched.failure(), err))
	}
	return nil
}

// lasting returns an error of a watch that does not pass in a moment: a permission is
// missing, or the webhook that converts the objects is away.
func lasting(err error) error {
	if apierrors.IsForbidden(err) || apierrors.IsInternalError(err) {
		return err
	}
	return nil
}

func (c *Cache) watch(record types.NamespacedName, gvk schema.GroupVersionKind) (*watchedKind, error) {
	if known := c.watchOf(gvk); known != nil {
		return known, nil
	}
	// The API server may have to be asked, for which nobody else has to wait. Under the
	// lock the answer is at hand, and no change of what is served is missed.
	_, asked := c.kinds.resource(gvk)
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.watched[gvk]; known != nil {
		return known, nil
	}
	if c.life == nil {
		return nil, errors.New("the cache of children was not started")
	}
	if asked != nil && !final(asked) {
		return nil, asked
	}
	resource, err := c.kinds.resource(gvk)
	if _, notServed := errors.AsType[*NotServedError](err); notServed {
		records := c.missed[gvk.GroupKind()]
		if records == nil {
			records = map[types.NamespacedName]struct{}{}
			c.missed[gvk.GroupKind()] = records
		}
		records[record] = struct{}{}
	}
	if err != nil {
		return nil, err
	}
	w, err := c.newWatchedKind(gvk, resource)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", gvk.Kind, err)
	}
	ctx, stop := context.WithCancel(c.life())
	w.stop = stop
	c.watched[gvk] = w
	go w.informer.RunWithContext(ctx)
	c.log.V(1).Info("watching", "kind", gvk.String())
	return w, nil
}

// watchOf returns the watch of a kind; nil when there is none.
func (c *Cache) watchOf(gvk schema.GroupVersionKind) *watchedKind {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.watched[gvk]
}

// Forget drops what is kept for a record that is gone.
func (c *Cache) Forget(record types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for kind, records := range c.missed {
		if delete(records, record); len(records) == 0 {
			delete(c.missed, kind)
		}
	}
}

// Get returns a child, nil when there is none as far as is known. What was written
// a moment ago is known.
func (c *Cache) Get(gvk schema.GroupVersionKind, name types.NamespacedName) *Object {
	var known *Object
	if w := c.watchOf(gvk); w != nil {
		if item, exists, err := w.informer.GetIndexer().GetByKey(name.String()); err == nil && exists {
			known, _ = item.(*Object)
		}
	}
	return c.written.newest(Key{Kind: gvk.GroupKind(), NamespacedName: name}, known)
}

// Of returns all children of a record that are of a watched kind.
func (c *Cache) Of(record types.NamespacedName) []*Object {
	c.mu.Lock()
	informers := make([]cache.SharedIndexInformer, 0, len(c.watched))
	for _, w := range c.watched {
		informers = append(informers, w.informer)
	}
	c.mu.Unlock()
	var objects []*Object
	for _, informer := range informers {
		items, err := informer.GetIndexer().ByIndex(indexRecord, record.String())
		if err != nil {
			continue
		}
		for _, item := range items {
			if object, ok := item.(*Object); ok {
				objects = append(objects, c.written.newest(object.Key(), object))
			}
		}
	}
	return objects
}

// Wrote takes note of the API server's answer to an apply of an intent, so that
// the next pass need not wait for the watch to tell the same.
func (c *Cache) Wrote(intent, answer metav1.Object, gvk schema.GroupVersionKind) *Object {
	object := digest(gvk, answer)
	c.written.put(object, hashOf(intent))
	c.mu.Lock()
	queue := c.queue
	c.mu.Unlock()
	if queue != nil {
		// Should the object be gone before the watch ever saw it, nothing else would
		// wake the record.
		queue.AddAfter(reconcile.Request{NamespacedName: recordOf(object)}, forgetAfter+time.Second)
	}
	return object
}

// Digest makes an Object of what was read from the API server.
func Digest(gvk schema.GroupVersionKind, full metav1.Object) *Object { return digest(gvk, full) }

// enqueue puts records into the queue.
func (c *Cache) enqueue(records ...types.NamespacedName) {
	c.mu.Lock()
	queue := c.queue
	c.mu.Unlock()
	for _, record := range records {
		if record.Name != "" {
			queue.Add(reconcile.Request{NamespacedName: record})
		}
	}
}
