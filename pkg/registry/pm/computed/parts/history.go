// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package parts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/registry/pm/computed"
)

const (
	// recallWithin bounds how long etcd is asked for what was before the server
	// started.
	recallWithin = 20 * time.Second
	// progressEvery is how often etcd is asked whether it has told everything.
	progressEvery = 50 * time.Millisecond
)

// history recalls writes of packages from etcd itself, which remembers those
// since its last compaction. The store's cache begins when the server starts, and so
// does a window; without this, every watch of every client would begin anew with
// each restart.
type history struct {
	getter generic.RESTOptionsGetter

	mu     sync.Mutex
	opened storage.Interface
	// root is where the packages are in it.
	root    string
	destroy factory.DestroyFunc
	closed  bool
}

var errHistoryClosed = errors.New("the server ends")

// open connects to etcd, once, when it is first needed.
func (h *history) open() (storage.Interface, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errHistoryClosed
	}
	if h.opened != nil {
		return h.opened, nil
	}
	options, err := h.getter.GetRESTOptions(pm.Resource("packages"), &pm.Package{})
	if err != nil {
		return nil, fmt.Errorf("find where packages are stored: %w", err)
	}
	prefix := options.ResourcePrefix
	if !strings.HasPrefix(prefix, "/") {
		prefix = "/" + prefix
	}
	opened, destroy, err := generic.NewRawStorage(options.StorageConfig,
		func() runtime.Object { return &pm.Package{} }, func() runtime.Object { return &pm.PackageList{} }, prefix)
	if err != nil {
		return nil, fmt.Errorf("open the history of packages: %w", err)
	}
	h.opened, h.root, h.destroy = opened, prefix, destroy
	return opened, nil
}

func (h *history) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.destroy != nil {
		h.destroy()
		h.destroy, h.opened = nil, nil
	}
}

// recall tells a feed of all writes after one up to another, from the state
// at the first. It fails when etcd has forgotten some of them.
func (h *history) recall(ctx context.Context, from, until uint64, to feed) error {
	etcd, err := h.open()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, recallWithin)
	defer cancel()

	replay := follower{feeds: []feed{to}}
	list := &pm.PackageList{}
	err = etcd.GetList(ctx, h.root, storage.ListOptions{
		ResourceVersion: computed.FormatRevision(from), ResourceVersionMatch: metav1.ResourceVersionMatchExact,
		Predicate: storage.Everything, Recursive: true,
	}, list)
	if err != nil {
		return fmt.Errorf("list packages at %d: %w", from, err)
	}
	replay.begin(from, list)

	watched, err := etcd.Watch(ctx, h.root, storage.ListOptions{
		ResourceVersion: computed.FormatRevision(from), Predicate: storage.Everything, Recursive: true, ProgressNotify: true,
	})
	if err != nil {
		return fmt.Errorf("watch packages from %d: %w", from, err)
	}
	defer watched.Stop()
	// Only a word on its progress tells that etcd has nothing more to tell.
	progress := time.NewTicker(progressEvery)
	defer progress.Stop()
	for {
		select {
		case event, open := <-watched.ResultChan():
			if !open {
				return fmt.Errorf("watch packages from %d: the watch ended early", from)
			}
			if event.Type == watch.Error {
				return apierrors.FromObject(event.Object)
			}
			current, err := packageIn(event.Object)
			if err != nil {
				return err
			}
			write, err := writeOf(current)
			if err != nil {
				return err
			}
			if write > until {
				return nil
			}
			replay.tell(event.Type, write, current)
			if write == until {
				return nil
			}
		case <-progress.C:
			if err := etcd.RequestWatchProgress(ctx); err != nil {
				return fmt.Errorf("ask etcd how far it is: %w", err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
