// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecords

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/clusterrecord"
	"oaas.io/oaas/pkg/crmclient"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/registry/pm/computed"
)

// firstContact is how long requests wait, after the start, for clusters to tell
// their records. Without it a client that comes back after a restart would see
// the records of all clusters go and come.
const firstContact = 2 * time.Second

// records follows what the clusters tell of their records, and publishes what
// changes. The pool's notices say only where to look; what is there now decides,
// so that none is needed in order or more than once.
type records struct {
	pool   *crmclient.Pool
	clock  clock.Clock
	log    logr.Logger
	window *computed.Window
	queue  workqueue.TypedInterface[place]
	// progress has room for one notice that a place was looked at.
	progress chan struct{}

	mu        sync.RWMutex
	revisions *revisions
	clusters  map[string]*clusterRecords
	// count of the records of all clusters.
	count int
}

// place is where something changed.
type place struct {
	cluster string
	// id of the record; empty for all of the cluster.
	id string
}

// clusterRecords are what is known of one cluster.
type clusterRecords struct {
	byID map[string]*entry
	// heard is true once the cluster has told all its records.
	heard bool
}

// entry is a record and the object that shows it. Neither is ever changed: both
// are shared with watchers.
type entry struct {
	record *deploymentv1.DeploymentRecord
	object *pm.DeploymentRecord
}

func newRecords(options Options) *records {
	r := &records{
		pool:      options.Pool,
		clock:     options.Clock,
		log:       options.Log,
		queue:     workqueue.NewTyped[place](),
		progress:  make(chan struct{}, 1),
		revisions: newRevisions(options.Clock, options.Replica),
		clusters:  map[string]*clusterRecords{},
	}
	r.window = computed.NewWindow(computed.WindowOptions{Clock: options.Clock, Knows: r.knows})
	return r
}

// run follows the clusters until ctx ends.
func (r *records) run(ctx context.Context) {
	defer r.pool.Subscribe(func(change crmclient.Change) {
		r.queue.Add(place{change.Cluster, change.DeploymentID})
	})()
	for _, state := range r.pool.States() {
		r.queue.Add(place{cluster: state.Cluster})
	}
	defer context.AfterFunc(ctx, r.queue.ShutDown)()
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { r.begin(ctx) })
	for {
		where, shutdown := r.queue.Get()
		if shutdown {
			return
		}
		r.look(where)
		r.queue.Done(where)
		select {
		case r.progress <- struct{}{}:
		default:
		}
	}
}

// begin lets clients in, once every cluster has told its records or had the time
// to.
func (r *records) begin(ctx context.Context) {
	select {
	case <-r.pool.Complete():
	case <-ctx.Done():
		return
	}
	patience := r.clock.NewTimer(firstContact)
	defer patience.Stop()
	for waiting := true; waiting && !r.heardAll(); {
		select {
		case <-r.progress:
		case <-patience.C():
			waiting = false
		case <-ctx.Done():
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.window.Reset(r.revisions.next())
}

// heardAll is true when there is no cluster that may be about to tell its records.
func (r *records) heardAll() bool {
	states := r.pool.States()
	r.mu.RLock()
	defer r.mu.RUnlock()
	return !slices.ContainsFunc(states, func(state crmclient.State) bool {
		known := r.clusters[state.Cluster]
		return state.Link != nil && !state.Stale && (known == nil || !known.heard)
	})
}

// look compares what is shown of a place with what is there, and publishes the
// difference.
func (r *records) look(where place) {
	state, exists := r.pool.State(where.cluster)
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.clusters[where.cluster]
	if !exists {
		if known != nil {
			r.publish(r.removeAll(known))
			delete(r.clusters, where.cluster)
		}
		return
	}
	if known == nil {
		known = &clusterRecords{byID: map[string]*entry{}}
		r.clusters[where.cluster] = known
	}
	switch {
	case state.Link == nil:
		r.publish(r.keepStale(where.cluster, known))
	case where.id == "":
		told, complete, stale := state.Link.Records()
		if !complete {
			// Also when the cluster was known over another link: it may be the same one
			// at another address.
			r.publish(r.keepStale(where.cluster, known))
			return
		}
		known.heard = true
		r.publish(r.replace(where.cluster, known, told, stale))
	default:
		if told := state.Link.Record(where.id); told.Known {
			r.publish(r.set(where.cluster, known, where.id, told.Record, told.Stale))
		}
	}
}

// replace makes the records of a cluster those that it told.
func (r *records) replace(cluster string, known *clusterRecords, told []*deploymentv1.DeploymentRecord, stale bool) []computed.Event {
	var events []computed.Event
	present := make(map[string]struct{}, len(told))
	for _, record := range told {
		id := record.GetUnit().GetId()
		present[id] = struct{}{}
		events = append(events, r.set(cluster, known, id, record, stale)...)
	}
	for id := range known.byID {
		if _, ok := present[id]; !ok {
			events = append(events, r.set(cluster, known, id, nil, stale)...)
		}
	}
	return events
}

// keepStale keeps what a cluster told earlier, and marks it.
func (r *records) keepStale(cluster string, known *clusterRecords) []computed.Event {
	var events []computed.Event
	for id, shown := range known.byID {
		events = append(events, r.set(cluster, known, id, shown.record, true)...)
	}
	return events
}

func (r *records) removeAll(known *clusterRecords) []computed.Event {
	events := make([]computed.Event, 0, len(known.byID))
	for id := range known.byID {
		events = append(events, r.remove(known, id))
	}
	return events
}

// set shows a record as it was told, nil for none, and returns what watchers have
// to hear.
func (r *records) set(cluster string, known *clusterRecords, id string, told *deploymentv1.DeploymentRecord, stale bool) []computed.Event {
	shown := known.byID[id]
	if shown != nil && shown.record == told && shown.object.Status.Stale == stale {
		return nil
	}
	var object *pm.DeploymentRecord
	if told != nil {
		var err error
		if object, err = objectOf(cluster, told, stale); err != nil {
			r.log.V(1).Info("Deployment record cannot be shown", "err", err)
		}
	}
	switch {
	case object == nil && shown == nil:
		return nil
	case object == nil:
		return []computed.Event{r.remove(known, id)}
	case shown == nil:
		return []computed.Event{r.add(known, id, told, object)}
	case shown.object.Namespace != object.Namespace:
		// Another object, by its name and namespace.
		return []computed.Event{r.remove(known, id), r.add(known, id, told, object)}
	}
	object.ResourceVersion = shown.object.ResourceVersion
	if apiequality.Semantic.DeepEqual(shown.object, object) {
		known.byID[id] = &entry{told, shown.object}
		return nil
	}
	revision := r.revisions.next()
	object.ResourceVersion = computed.FormatRevision(revision)
	known.byID[id] = &entry{told, object}
	return []computed.Event{{Type: watch.Modified, Revision: revision, Object: object, Previous: shown.object}}
}

func (r *records) add(known *clusterRecords, id string, told *deploymentv1.DeploymentRecord, object *pm.DeploymentRecord) computed.Event {
	revision := r.revisions.next()
	object.ResourceVersion = computed.FormatRevision(revision)
	known.byID[id] = &entry{told, object}
	r.count++
	return computed.Event{Type: watch.Added, Revision: revision, Object: object}
}

func (r *records) remove(known *clusterRecords, id string) computed.Event {
	shown := known.byID[id].object
	delete(known.byID, id)
	r.count--
	revision := r.revisions.next()
	last := *shown
	last.ResourceVersion = computed.FormatRevision(revision)
	return computed.Event{Type: watch.Deleted, Revision: revision, Object: &last, Previous: shown}
}

// publish tells watchers. The caller holds the lock, which keeps lists from being
// older than the window.
func (r *records) publish(events []computed.Event) {
	if len(events) > 0 {
		r.window.Publish(events[len(events)-1].Revision, events...)
	}
}

// snapshot returns all objects, in no order, and their revision.
func (r *records) snapshot() ([]*pm.DeploymentRecord, uint64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]*pm.DeploymentRecord, 0, r.count)
	for _, known := range r.clusters {
		for _, shown := range known.byID {
			all = append(all, shown.object)
		}
	}
	return all, r.revisions.last
}

func (r *records) lookup(namespace, name string) (*pm.DeploymentRecord, bool) {
	cluster, id := clusterrecord.SplitName(name)
	r.mu.RLock()
	defer r.mu.RUnlock()
	known := r.clusters[cluster]
	if known == nil {
		return nil, false
	}
	shown := known.byID[id]
	if shown == nil || shown.object.Namespace != namespace {
		return nil, false
	}
	return shown.object, true
}

func (r *records) knows(revision uint64) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.revisions.knows(revision)
}

// reach makes what is here now count as newer than a revision that a client saw
// elsewhere a moment ago. What is here is as new as it gets.
func (r *records) reach(revision uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if revision > r.revisions.last && r.revisions.plausible(revision) {
		r.window.Publish(r.revisions.nextAfter(revision))
	}
}

// objectOf is the object that shows a record.
func objectOf(cluster string, record *deploymentv1.DeploymentRecord, stale bool) (*pm.DeploymentRecord, error) {
	versioned, err := clusterrecord.ToAPI(cluster, record, stale)
	if err != nil {
		return nil, err
	}
	object := &pm.DeploymentRecord{}
	if err := v1alpha1.Convert_v1alpha1_DeploymentRecord_To_pm_DeploymentRecord(versioned, object, nil); err != nil {
		return nil, fmt.Errorf("converting record %s: %w", versioned.Name, err)
	}
	return object, nil
}
