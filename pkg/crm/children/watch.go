// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package children

import (
	"context"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// indexRecord finds the children of a record.
const indexRecord = "record"

// watchedKind is a kind that is watched.
type watchedKind struct {
	informer cache.SharedIndexInformer
	stop     context.CancelFunc

	mu      sync.Mutex
	lastErr error
}

// failure is why the watch does not work at the moment, as far as is known.
func (w *watchedKind) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lastErr
}

// newInformer lists and watches what two functions of a client of any sort return.
func newInformer[L runtime.Object](
	list func(context.Context, metav1.ListOptions) (L, error),
	watchFrom func(context.Context, metav1.ListOptions) (watch.Interface, error),
	indexers cache.Indexers,
) cache.SharedIndexInformer {
	ours := labels.Set{v1alpha1.LabelManagedBy: v1alpha1.FieldManagerReconciler}.String()
	narrow := func(options *metav1.ListOptions) {
		if indexers != nil {
			options.LabelSelector = ours
		}
	}
	return cache.NewSharedIndexInformer(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			narrow(&options)
			return list(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			narrow(&options)
			return watchFrom(ctx, options)
		},
	}, nil, 0, indexers)
}

// newWatchedKind prepares the watch of all children of a kind: of their metadata
// only where that says everything.
func (c *Cache) newWatchedKind(gvk schema.GroupVersionKind, resource schema.GroupVersionResource) (*watchedKind, error) {
	indexers := cache.Indexers{indexRecord: func(item any) ([]string, error) {
		object, ok := item.(*Object)
		if !ok || object.Record() == "" {
			return nil, nil
		}
		return []string{recordOf(object).String()}, nil
	}}
	w := &watchedKind{}
	if slices.Contains(metadataOnly, gvk.GroupKind()) {
		from := c.metadata.Resource(resource)
		w.informer = newInformer[*metav1.PartialObjectMetadataList](from.List, from.Watch, indexers)
	} else {
		from := c.dynamic.Resource(resource)
		w.informer = newInformer[*unstructured.UnstructuredList](from.List, from.Watch, indexers)
	}
	if err := w.informer.SetTransform(transform(gvk)); err != nil {
		return nil, err
	}
	// The reflector goes on trying; a kind that is leaving would fill the log.
	if err := w.informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.lastErr = err
		c.log.V(1).Info("watching failed, trying again", "kind", gvk.String(), "cause", err.Error())
	}); err != nil {
		return nil, err
	}
	_, err := w.informer.AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(item any, initial bool) {
			// Whoever needed the kind looks at what was there from the beginning.
			if object, ok := item.(*Object); ok && !initial {
				c.enqueue(recordOf(object))
			}
		},
		UpdateFunc: func(before, now any) {
			old, okOld := before.(*Object)
			object, ok := now.(*Object)
			if !ok || !okOld || sameToTheRecord(old, object) {
				return
			}
			if recordOf(old) != recordOf(object) {
				c.enqueue(recordOf(old))
			}
			c.enqueue(recordOf(object))
		},
		DeleteFunc: func(item any) {
			if last, ok := item.(cache.DeletedFinalStateUnknown); ok {
				item = last.Obj
			}
			if object, ok := item.(*Object); ok {
				c.written.drop(object)
				c.enqueue(recordOf(object))
			}
		},
	})
	return w, err
}

func recordOf(object *Object) types.NamespacedName {
	return types.NamespacedName{Namespace: object.Namespace, Name: object.Record()}
}

// definitionChanged begins with a kind that came and ends with one that left. What
// was there from the beginning is no change.
func (c *Cache) definitionChanged(told any, initial bool) {
	d, ok := definitionOf(told)
	if !ok || !c.kinds.set(d) || initial {
		return
	}
	c.servedChanged(d.kind)
}

func (c *Cache) definitionGone(told any) {
	if d, ok := definitionOf(told); ok {
		c.kinds.gone(d)
		c.servedChanged(d.kind)
	}
}

// servedChanged stops watching versions of a kind that are no longer served, and
// wakes the records that had children of it or wait for it.
func (c *Cache) servedChanged(kind schema.GroupKind) {
	var wake []types.NamespacedName
	c.mu.Lock()
	for gvk, w := range c.watched {
		if gvk.GroupKind() != kind {
			continue
		}
		if _, err := c.kinds.resource(gvk); err == nil {
			continue
		}
		w.stop()
		delete(c.watched, gvk)
		for _, item := range w.informer.GetStore().List() {
			if object, ok := item.(*Object); ok {
				c.written.drop(object)
				wake = append(wake, recordOf(object))
			}
		}
		c.log.V(1).Info("no longer watching", "kind", gvk.String())
	}
	if c.kinds.served(kind) {
		for record := range c.missed[kind] {
			wake = append(wake, record)
		}
		delete(c.missed, kind)
	}
	listeners := c.listeners
	c.mu.Unlock()
	c.enqueue(wake...)
	for _, listener := range listeners {
		listener(kind)
	}
}
