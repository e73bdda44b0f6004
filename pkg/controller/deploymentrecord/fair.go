// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecord

import (
	"maps"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// fairQueue serves namespaces in turn, so that a thousand records of one do not
// keep the only record of another waiting. It is start-time fair queueing: an item
// starts one turn after the item of its namespace that was added before it, and not
// before the item that is being served; the earliest start is served first.
type fairQueue struct {
	priorityqueue.PriorityQueue[reconcile.Request]

	mu sync.Mutex
	// now is the start of the item that was served last.
	now int
	// last is the start of the item of each namespace that was added last.
	last map[string]int
	// starts are those of the items that wait. Adding one again takes no turn.
	starts map[reconcile.Request]int
}

// forgetAbove is the number of namespaces above which those without a turn to come
// are forgotten.
const forgetAbove = 1024

func newFairQueue(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	return &fairQueue{
		PriorityQueue: priorityqueue.New(name, func(o *priorityqueue.Opts[reconcile.Request]) { o.RateLimiter = limiter }),
		last:          map[string]int{},
		starts:        map[reconcile.Request]int{},
	}
}

// start is the turn of an item.
func (q *fairQueue) start(item reconcile.Request) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if start, waits := q.starts[item]; waits {
		return start
	}
	start := q.now
	if last, ok := q.last[item.Namespace]; ok {
		start = max(start, last+1)
	}
	if len(q.last) > forgetAbove {
		maps.DeleteFunc(q.last, func(_ string, last int) bool { return last < q.now })
	}
	q.last[item.Namespace], q.starts[item] = start, start
	return start
}

// AddWithOpts adds items. Their priority follows from the turn of their namespace,
// whatever is asked for.
func (q *fairQueue) AddWithOpts(options priorityqueue.AddOpts, items ...reconcile.Request) {
	for _, item := range items {
		// What is greater is served first.
		options.Priority = new(-q.start(item))
		q.PriorityQueue.AddWithOpts(options, item)
	}
}

// Add adds an item.
func (q *fairQueue) Add(item reconcile.Request) { q.AddWithOpts(priorityqueue.AddOpts{}, item) }

// AddAfter adds an item once a time has passed.
func (q *fairQueue) AddAfter(item reconcile.Request, after time.Duration) {
	q.AddWithOpts(priorityqueue.AddOpts{After: after}, item)
}

// AddRateLimited adds an item once its backoff has passed.
func (q *fairQueue) AddRateLimited(item reconcile.Request) {
	q.AddWithOpts(priorityqueue.AddOpts{RateLimited: true}, item)
}

// GetWithPriority returns the item whose turn it is.
func (q *fairQueue) GetWithPriority() (reconcile.Request, int, bool) {
	item, priority, shutdown := q.PriorityQueue.GetWithPriority()
	if !shutdown {
		q.mu.Lock()
		q.now = max(q.now, -priority)
		delete(q.starts, item)
		q.mu.Unlock()
	}
	return item, priority, shutdown
}

// Get returns the item whose turn it is.
func (q *fairQueue) Get() (reconcile.Request, bool) {
	item, _, shutdown := q.GetWithPriority()
	return item, shutdown
}
