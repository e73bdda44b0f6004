// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/apis/pm"
)

// ErrStopping is returned for reports that come while the Package Manager stops.
// The cluster sends them again, to another replica or later.
var ErrStopping = errors.New("the Package Manager is stopping")

// Bounds of writing, unless Config says otherwise.
const (
	// DefaultInterval is the least time between two writes of one runtime state.
	DefaultInterval = 10 * time.Second
	// DefaultUrgentInterval is the same for a change of the health.
	DefaultUrgentInterval = time.Second
	// DefaultWritesPerSecond bounds the writes of all runtime states together.
	DefaultWritesPerSecond = 200

	// refreshFactor times the interval is how long a report waits that changes
	// nothing but the time.
	refreshFactor = 6
	// lag is how far the cache may be behind a write of our own.
	lag = 5 * time.Second
	// forgetAfter is how long a unit is remembered that nobody reports.
	forgetAfter = 10 * time.Minute
	// firstPause and longestPause bound the wait after a write that failed.
	firstPause   = time.Second
	longestPause = 30 * time.Second
	// writeTimeout bounds one write, flushTimeout all that are left at the end.
	writeTimeout = 10 * time.Second
	flushTimeout = 10 * time.Second

	ordinaryWorkers = 4
	urgentWorkers   = 2
	flushWorkers    = 16
	flushAttempts   = 3
)

// Store holds runtime states.
type Store interface {
	// Cached returns what may be a moment old, nil when there is nothing.
	Cached(ctx context.Context, key types.NamespacedName) (*pm.RuntimeState, error)
	// Apply changes what is stored, or creates it; the change decides on what is
	// stored then, and returns false to leave it.
	Apply(ctx context.Context, key types.NamespacedName, change func(*pm.RuntimeState) bool) (*pm.RuntimeState, error)
}

// Owner is the class deployment that a unit belongs to.
type Owner struct {
	// Name and UID of the class deployment.
	Name string
	UID  types.UID
	// Environment that the unit runs in.
	Environment string
	// PackageName and ClassKey tell what runs.
	PackageName, ClassKey string
}

// Units knows which units there are.
type Units interface {
	// Owner returns what the unit belongs to, nil when there is no such unit.
	Owner(ctx context.Context, unit Unit) (*Owner, error)
}

// Config is what a recorder works with.
type Config struct {
	// Store takes the runtime states.
	Store Store
	// Units knows which units there are.
	Units Units
	// Clock tells the time. Defaults to the real one.
	Clock clock.WithTicker
	// Interval is the least time between two writes of one runtime state. Defaults to
	// DefaultInterval.
	Interval time.Duration
	// UrgentInterval is the same for a change of the health. Defaults to
	// DefaultUrgentInterval, and is never longer than Interval.
	UrgentInterval time.Duration
	// WritesPerSecond bounds the writes of all runtime states. Defaults to
	// DefaultWritesPerSecond.
	WritesPerSecond float64
	// Metrics counts what happens. Defaults to counting for nobody.
	Metrics *Counters
}

// Recorder keeps the latest report of each unit and writes it. What it has
// accepted is in memory until it is written: an orderly stop writes the rest, and
// what a crash loses comes again with the cluster's next report.
type Recorder struct {
	config  Config
	limiter *rate.Limiter
	// queues hold the units that wait, those whose health changed apart so that they
	// need not wait for the others.
	ordinary, urgent workqueue.TypedDelayingInterface[types.NamespacedName]

	mu       sync.Mutex
	entries  map[types.NamespacedName]*entry
	stopping bool
	swept    time.Time
}

// entry is what is known about one unit.
type entry struct {
	// pending waits to be written; empty when nothing does.
	pending Report
	// due is when it may be written.
	due time.Time
	// writing is what a worker writes now; nil when none does.
	writing *Report
	// begun is when that began.
	begun time.Time
	// last is what was last seen of the stored state; nil for nothing.
	last *pm.RuntimeState
	// seen is when the entry was last reported, written when the last write by anybody
	// began, or was noticed.
	seen, written time.Time
	failures      int
}

// New returns a recorder that writes once it runs.
func New(config Config) *Recorder {
	if config.Clock == nil {
		config.Clock = clock.RealClock{}
	}
	if config.Interval <= 0 {
		config.Interval = DefaultInterval
	}
	if config.UrgentInterval <= 0 {
		config.UrgentInterval = DefaultUrgentInterval
	}
	config.UrgentInterval = min(config.UrgentInterval, config.Interval)
	if config.WritesPerSecond <= 0 {
		config.WritesPerSecond = DefaultWritesPerSecond
	}
	if config.Metrics == nil {
		config.Metrics = NewCounters()
	}
	return &Recorder{
		config:   config,
		limiter:  rate.NewLimiter(rate.Limit(config.WritesPerSecond), max(1, int(config.WritesPerSecond))),
		ordinary: newQueue("reports", config.Clock),
		urgent:   newQueue("reports-urgent", config.Clock),
		entries:  map[types.NamespacedName]*entry{},
	}
}

func newQueue(name string, clock clock.WithTicker) workqueue.TypedDelayingInterface[types.NamespacedName] {
	return workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[types.NamespacedName]{Name: name, Clock: clock})
}

// Record takes reports of one cluster and tells what became of each, in their
// order. With an error nothing is known to be taken, and the caller may try again.
func (r *Recorder) Record(ctx context.Context, batch []Report) ([]Outcome, error) {
	type found struct {
		unit  bool
		state *pm.RuntimeState
	}
	known := make([]found, len(batch))
	for i := range batch {
		owner, err := r.config.Units.Owner(ctx, batch[i].Unit)
		if err != nil {
			return nil, fmt.Errorf("look up unit %s: %w", batch[i].Unit.Key(), err)
		}
		if owner == nil {
			continue
		}
		known[i].unit = true
		if known[i].state, err = r.config.Store.Cached(ctx, batch[i].Unit.Key()); err != nil {
			return nil, err
		}
	}

	outcomes := make([]Outcome, len(batch))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		return nil, ErrStopping
	}
	r.sweep()
	for i := range batch {
		outcomes[i] = UnknownUnit
		if known[i].unit {
			outcomes[i] = r.take(batch[i], known[i].state)
		}
	}
	return outcomes, nil
}

// take adds a report to what is pending of its unit.
func (r *Recorder) take(report Report, cached *pm.RuntimeState) Outcome {
	key, now := report.Unit.Key(), r.config.Clock.Now()
	e := r.entries[key]
	if e == nil {
		e = &entry{pending: Report{Unit: report.Unit}, last: cached}
		r.entries[key] = e
	} else {
		e.notice(cached, now)
	}
	e.seen = now

	outcome := Accepted
	news, older := report.since(e.known())
	if older {
		outcome = Outdated
	}
	if news.empty() {
		return outcome
	}
	if e.pending.add(news) == Outdated {
		outcome = Outdated
	}
	r.schedule(key, e)
	return outcome
}

// known is the status that is stored, or will be in a moment.
func (e *entry) known() *pm.RuntimeStateStatus {
	known := pm.RuntimeStateStatus{}
	if e.last != nil {
		known = e.last.Status
	}
	if e.writing != nil {
		news, _ := e.writing.since(&known)
		news.write(&known)
	}
	return &known
}

// notice compares what the cache holds with what is known. Another replica may
// have written, and a user may have deleted.
func (e *entry) notice(cached *pm.RuntimeState, now time.Time) {
	switch {
	case cached == nil:
		if now.Sub(e.written) >= lag {
			e.last = nil
		}
	case e.last == nil || newer(cached, e.last):
		e.last, e.written = cached, now
	}
}

// schedule has the pending report written as soon as the bounds allow it.
func (r *Recorder) schedule(key types.NamespacedName, e *entry) {
	if e.writing != nil || e.pending.empty() {
		return
	}
	now := r.config.Clock.Now()
	queue, pause := r.ordinary, r.config.Interval
	switch urgencyOf(e.pending, e.last) {
	case urgent:
		queue, pause = r.urgent, r.config.UrgentInterval
	case refresh:
		pause *= refreshFactor
	case ordinary:
	}
	if e.failures > 0 {
		pause = max(pause, min(longestPause, firstPause<<min(e.failures-1, 10)))
	}
	e.due = now
	if !e.written.IsZero() {
		e.due = e.written.Add(pause)
	}
	queue.AddAfter(key, e.due.Sub(now))
}

// sweep forgets units that nobody reports any more.
func (r *Recorder) sweep() {
	now := r.config.Clock.Now()
	if now.Sub(r.swept) < forgetAfter/10 {
		return
	}
	r.swept = now
	for key, e := range r.entries {
		if e.pending.empty() && e.writing == nil && now.Sub(e.seen) > forgetAfter {
			delete(r.entries, key)
		}
	}
}

// Pending is the number of units whose latest report is not written yet.
func (r *Recorder) Pending() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	pending := 0
	for _, e := range r.entries {
		if !e.pending.empty() || e.writing != nil {
			pending++
		}
	}
	return pending
}

// Run writes until ctx ends, then writes at once what is still pending, and
// returns when that is done.
func (r *Recorder) Run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		r.stopping = true
		r.mu.Unlock()
		r.ordinary.ShutDown()
		r.urgent.ShutDown()
	})
	defer stop()
	var running sync.WaitGroup
	for range ordinaryWorkers {
		running.Go(func() { r.work(ctx, r.ordinary) })
	}
	for range urgentWorkers {
		running.Go(func() { r.work(ctx, r.urgent) })
	}
	running.Wait()
	r.flush(context.WithoutCancel(ctx))
}

// flush writes everything that is pending, whatever the bounds.
func (r *Recorder) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	r.mu.Lock()
	var left []types.NamespacedName
	for key, e := range r.entries {
		if !e.pending.empty() {
			left = append(left, key)
		}
	}
	r.mu.Unlock()
	keys := make(chan types.NamespacedName)
	var running sync.WaitGroup
	for range min(flushWorkers, len(left)) {
		running.Go(func() {
			for key := range keys {
				var err error
				for range flushAttempts {
					if err = r.write(ctx, key); err == nil {
						break
					}
				}
				if err != nil {
					klog.FromContext(ctx).Error(err, "A report was not written; the cluster's next one repairs it", "runtimeState", key)
				}
			}
		})
	}
	for _, key := range left {
		keys <- key
	}
	close(keys)
	running.Wait()
}

func newer(a, b *pm.RuntimeState) bool {
	return compareVersions(a.ResourceVersion, b.ResourceVersion) > 0
}
