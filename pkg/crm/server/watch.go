// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// rewatchDelay is the wait before the API server is asked again after it ended a
// watch, which it does from time to time.
const rewatchDelay = time.Second

// WatchDeploymentRecords streams changes of records, from the API server itself:
// its resource versions are what makes the stream resumable, on any copy of this
// program.
func (d *deployments) WatchDeploymentRecords(request *deploymentv1.WatchDeploymentRecordsRequest, stream grpc.ServerStreamingServer[deploymentv1.WatchDeploymentRecordsResponse]) error {
	version := request.GetResourceVersion()
	if _, err := resourceversion.CompareResourceVersion(version, version); version != "" && err != nil {
		return status.Errorf(codes.InvalidArgument, "resource_version %q is not one that this server gave out", cut(version))
	}
	w := &watcher{
		deployments: d,
		filter:      request.GetFilter(),
		version:     version,
		has:         map[client.ObjectKey]bool{},
		send:        stream.Send,
	}
	// A watcher that resumes may know any record that does not pass the filter now.
	w.resumed = w.version != ""
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	go func() {
		select {
		case <-d.ending:
			cancel(status.Error(codes.Unavailable, "the Class Runtime Manager is stopping: resume the watch"))
		case <-ctx.Done():
		}
	}()
	if !w.resumed {
		if err := w.start(ctx); err != nil {
			return statusOf(err)
		}
	}
	for {
		if err := w.follow(ctx); err != nil {
			// What ended the stream says more than how the watch noticed.
			return statusOf(cmp.Or(context.Cause(ctx), err))
		}
		select {
		case <-ctx.Done():
			return statusOf(context.Cause(ctx))
		case <-time.After(rewatchDelay):
		}
	}
}

// watcher is one stream.
type watcher struct {
	deployments *deployments
	filter      *deploymentv1.RecordFilter
	// version is the one after which to go on.
	version string
	resumed bool
	// greeted is true once the other side was sent anything.
	greeted bool
	// has tells of each record that the stream dealt with whether the other side has it,
	// and so a record that left the filter from one that never passed it.
	has  map[client.ObjectKey]bool
	send func(*deploymentv1.WatchDeploymentRecordsResponse) error
}

// start sends the records that exist, then a bookmark.
func (w *watcher) start(ctx context.Context) error {
	list := &v1alpha1.DeploymentRecordList{}
	if err := w.deployments.live.List(ctx, list); err != nil {
		return fmt.Errorf("list records: %w", err)
	}
	for i := range list.Items {
		if err := w.change(watch.Added, &list.Items[i]); err != nil {
			return err
		}
	}
	w.version, w.greeted = list.ResourceVersion, true
	return w.bookmark()
}

// follow passes on changes until the API server ends the watch, which is no error.
func (w *watcher) follow(ctx context.Context) error {
	changes, err := w.deployments.watching.Watch(ctx, &v1alpha1.DeploymentRecordList{},
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: w.version, AllowWatchBookmarks: true}})
	if err != nil {
		return fmt.Errorf("watch records: %w", err)
	}
	defer changes.Stop()
	if !w.greeted {
		// A stream that resumes may have nothing to tell for hours; the other side
		// wants to know that it stands.
		w.greeted = true
		if err := w.bookmark(); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case event, open := <-changes.ResultChan():
			if !open {
				return nil
			}
			if err := w.pass(event); err != nil {
				return err
			}
		}
	}
}

func (w *watcher) pass(event watch.Event) error {
	if event.Type == watch.Error {
		return apierrors.FromObject(event.Object)
	}
	record, ok := event.Object.(*v1alpha1.DeploymentRecord)
	if !ok {
		return status.Errorf(codes.Internal, "the API server sent %T", event.Object)
	}
	w.version = record.ResourceVersion
	if event.Type == watch.Bookmark {
		return w.bookmark()
	}
	return w.change(event.Type, record)
}

// change sends one change as the filter shows it: a record that comes to pass is
// added, one that ceases to is deleted.
func (w *watcher) change(kind watch.EventType, record *v1alpha1.DeploymentRecord) error {
	key := client.ObjectKeyFromObject(record)
	passes := matches(w.filter, record) && kind != watch.Deleted
	known, dealtWith := w.has[key]
	if !dealtWith {
		known = w.resumed && kind != watch.Added
	}
	if kind == watch.Deleted {
		delete(w.has, key)
	} else {
		w.has[key] = passes
	}
	// Empty until the initial records are complete: who resumed after one of them
	// would never hear of the others.
	response := &deploymentv1.WatchDeploymentRecordsResponse{ResourceVersion: w.version}
	switch {
	case passes && known:
		response.Type = deploymentv1.WatchEventType_WATCH_EVENT_TYPE_MODIFIED
	case passes:
		response.Type = deploymentv1.WatchEventType_WATCH_EVENT_TYPE_ADDED
	case known:
		response.Type = deploymentv1.WatchEventType_WATCH_EVENT_TYPE_DELETED
	default:
		return nil
	}
	response.Record = messageOf(record)
	return w.send(response)
}

func (w *watcher) bookmark() error {
	return w.send(&deploymentv1.WatchDeploymentRecordsResponse{
		Type:            deploymentv1.WatchEventType_WATCH_EVENT_TYPE_BOOKMARK,
		ResourceVersion: w.version,
	})
}
