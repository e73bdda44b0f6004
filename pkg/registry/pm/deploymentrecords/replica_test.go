// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecords_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/crmclient"
	"oaas.io/oaas/pkg/internal/polltest"
	"oaas.io/oaas/pkg/registry/pm/deploymentrecords"
)

// replica is one Package Manager's view of the clusters.
type replica struct {
	*testing.T
	pool *crmclient.Pool
	rest *deploymentrecords.REST
}

// newReplica links a replica to clusters, and waits for nothing.
func newReplica(t *testing.T, clusters ...*cluster) *replica {
	t.Helper()
	r := newReplicaWithout(t)
	for _, c := range clusters {
		r.link(c)
	}
	r.pool.SetComplete()
	return r
}

// patient is a clock whose timers never end before a busy machine has done its work.
type patient struct{ clock.RealClock }

func (p patient) NewTimer(d time.Duration) clock.Timer {
	return p.RealClock.NewTimer(max(d, time.Minute))
}

// newReplicaWithout makes a replica that was told about no cluster yet.
func newReplicaWithout(t *testing.T) *replica {
	t.Helper()
	pool := crmclient.NewPool(crmclient.Options{
		WatchBackoff: 10 * time.Millisecond, MaxWatchBackoff: 50 * time.Millisecond, StaleAfter: 100 * time.Millisecond,
	})
	t.Cleanup(pool.Close)
	storage := deploymentrecords.NewStorage(deploymentrecords.Options{Pool: pool, Clock: patient{}})
	t.Cleanup(storage.Destroy)
	return &replica{T: t, pool: pool, rest: storage}
}

func (r *replica) link(c *cluster) {
	r.Helper()
	if _, err := r.pool.Ensure(r.Context(), c.object()); err != nil {
		r.Fatal(err)
	}
}

// warned collects the warnings of a request.
type warned struct {
	mu  sync.Mutex
	all []string
}

func (w *warned) AddWarning(_, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, text)
}

func (w *warned) mentions(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.all, func(warning string) bool { return strings.Contains(warning, text) })
}

func (r *replica) request(namespace string) (context.Context, *warned) {
	w := &warned{}
	return warning.WithWarningRecorder(genericapirequest.WithNamespace(r.Context(), namespace), w), w
}

// list returns the records of all namespaces, and the warnings.
func (r *replica) list(options ...func(*internalversion.ListOptions)) (*pm.DeploymentRecordList, *warned) {
	r.Helper()
	list, w, err := r.tryList(options...)
	if err != nil {
		r.Fatal(err)
	}
	return list, w
}

func (r *replica) tryList(options ...func(*internalversion.ListOptions)) (*pm.DeploymentRecordList, *warned, error) {
	ctx, w := r.request(metav1.NamespaceAll)
	list, err := r.rest.List(ctx, with(options))
	if err != nil {
		return nil, w, err
	}
	return list.(*pm.DeploymentRecordList), w, nil
}

// names are those of the listed records, with a mark on stale ones.
func (r *replica) names(options ...func(*internalversion.ListOptions)) []string {
	r.Helper()
	list, _ := r.list(options...)
	return namesOf(list)
}

func namesOf(list *pm.DeploymentRecordList) []string {
	var names []string
	for i := range list.Items {
		names = append(names, markedName(&list.Items[i]))
	}
	return names
}

func markedName(record *pm.DeploymentRecord) string {
	name := record.Namespace + "/" + record.Name
	if record.Status.Stale {
		name += " stale"
	}
	return name
}

func (r *replica) waitForNames(want ...string) {
	r.Helper()
	polltest.Until(r.T, "records "+strings.Join(want, ", "), func() bool { return slices.Equal(r.names(), want) })
}

func (r *replica) waitForMessage(name, want string) {
	r.Helper()
	polltest.Until(r.T, name+" says "+want, func() bool {
		list, _ := r.list(selecting("metadata.name", name))
		return len(list.Items) == 1 && list.Items[0].Status.Message == want
	})
}

// watch tells the changes from then on.
func (r *replica) watch(options ...func(*internalversion.ListOptions)) *watching {
	r.Helper()
	ctx, _ := r.request(metav1.NamespaceAll)
	w, err := r.rest.Watch(ctx, with(options))
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(w.Stop)
	return &watching{r.T, w}
}

type watching struct {
	*testing.T
	watch.Interface
}

// next is the next event.
func (w *watching) next() watch.Event {
	w.Helper()
	select {
	case event, ok := <-w.ResultChan():
		if !ok {
			w.Fatal("the watch has ended")
		}
		return event
	case <-time.After(time.Minute):
		w.Fatal("no event came")
	}
	return watch.Event{}
}

// expect fails unless the next event is of the type and about the record.
func (w *watching) expect(kind watch.EventType, want string) *pm.DeploymentRecord {
	w.Helper()
	event := w.next()
	record, ok := event.Object.(*pm.DeploymentRecord)
	if !ok || event.Type != kind || markedName(record) != want {
		w.Fatalf("event is %s %s, want %s %s", event.Type, describe(event.Object), kind, want)
	}
	return record
}

func describe(object runtime.Object) string {
	switch typed := object.(type) {
	case *pm.DeploymentRecord:
		return markedName(typed)
	case *metav1.Status:
		return typed.Message
	default:
		return "something else"
	}
}

func with(options []func(*internalversion.ListOptions)) *internalversion.ListOptions {
	all := &internalversion.ListOptions{}
	for _, option := range options {
		option(all)
	}
	return all
}

func selecting(field, value string) func(*internalversion.ListOptions) {
	return func(o *internalversion.ListOptions) { o.FieldSelector = fields.OneTermEqualSelector(field, value) }
}

func since(version string) func(*internalversion.ListOptions) {
	return func(o *internalversion.ListOptions) { o.ResourceVersion = version }
}

func limited(limit int64, token string) func(*internalversion.ListOptions) {
	return func(o *internalversion.ListOptions) { o.Limit, o.Continue = limit, token }
}
