// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployment

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/crmclient"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

const (
	// callsPerCluster bounds the calls that are under way to one cluster.
	callsPerCluster = 8
	// firstRetry and longestRetry bound the pause before a failed call is made
	// again. A cluster that is back is noticed through its stream before that.
	firstRetry   = 200 * time.Millisecond
	longestRetry = 15 * time.Second
	// refusedRetry is the pause after a cluster has refused a unit, which only a
	// change of the unit or of the cluster's own settings will help.
	refusedRetry = 5 * time.Minute
)

// unitKey names a unit on its cluster.
type unitKey struct {
	cluster, id string
}

// outcome is how the last call for a unit ended.
type outcome struct {
	// hash of the content that the cluster accepted; empty when it did not.
	hash string
	// gone is true when the cluster confirmed that nothing of the unit is left.
	gone bool
	// err of a call that failed.
	err error
	// at is when the call ended.
	at time.Time
}

// task is what is wanted of a unit.
type task struct {
	owner types.NamespacedName
	// unit to deploy; nil to delete.
	unit    *deploymentv1.DeploymentUnit
	pending bool
	outcome outcome
}

// dispatcher makes the calls that reconciles decide on. Each cluster has its own
// queue and workers, so that one that never answers holds up neither another
// cluster nor a reconcile. What is wanted lives in memory only: after a restart
// the reconciles ask for it again, because the units are in the status first.
type dispatcher struct {
	pool   *crmclient.Pool
	clock  clock.PassiveClock
	notify func(types.NamespacedName)
	// spawn runs a function until the controller stops.
	spawn func(func(context.Context))

	mu    sync.Mutex
	tasks map[unitKey]*task
	lanes map[string]workqueue.TypedRateLimitingInterface[string]
}

func newDispatcher(pool *crmclient.Pool, clock clock.PassiveClock, notify func(types.NamespacedName)) *dispatcher {
	return &dispatcher{
		pool:   pool,
		clock:  clock,
		notify: notify,
		tasks:  map[unitKey]*task{},
		lanes:  map[string]workqueue.TypedRateLimitingInterface[string]{},
	}
}

// run lets lanes start until ctx ends, then waits for their calls to end. It
// closes started once calls can be asked for.
func (d *dispatcher) run(ctx context.Context, started chan<- struct{}) {
	var lanes sync.WaitGroup
	d.mu.Lock()
	d.spawn = func(work func(context.Context)) { lanes.Go(func() { work(ctx) }) }
	d.mu.Unlock()
	close(started)
	<-ctx.Done()
	d.mu.Lock()
	d.spawn = nil
	for _, lane := range d.lanes {
		lane.ShutDown()
	}
	d.mu.Unlock()
	lanes.Wait()
}

// deploy asks for the unit to be brought to its content.
func (d *dispatcher) deploy(owner types.NamespacedName, cluster string, unit *deploymentv1.DeploymentUnit) {
	d.want(unitKey{cluster, unit.GetId()}, owner, unit)
}

// delete asks for the unit to be removed.
func (d *dispatcher) delete(owner types.NamespacedName, key unitKey) {
	d.want(key, owner, nil)
}

func (d *dispatcher) want(key unitKey, owner types.NamespacedName, unit *deploymentv1.DeploymentUnit) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.spawn == nil {
		return
	}
	known := d.tasks[key]
	if known != nil && known.owner == owner && (known.unit == nil) == (unit == nil) && known.unit.GetHash() == unit.GetHash() {
		if known.pending || d.justAccepted(known) {
			return
		}
		known.pending = true
	} else {
		d.tasks[key] = &task{owner: owner, unit: unit, pending: true}
	}
	lane := d.lane(key.cluster)
	lane.Forget(key.id)
	lane.Add(key.id)
}

// justAccepted is true when the cluster has accepted the task's content while the
// reconcile that asks for it was under way. The end of the call has told the
// owner, which decides anew.
func (d *dispatcher) justAccepted(t *task) bool {
	return t.unit != nil && t.outcome.hash == t.unit.GetHash() && d.clock.Since(t.outcome.at) < streamGrace
}

// lane returns the queue of a cluster, and starts its workers with the first
// unit.
func (d *dispatcher) lane(cluster string) workqueue.TypedRateLimitingInterface[string] {
	if lane, ok := d.lanes[cluster]; ok {
		return lane
	}
	lane := workqueue.NewTypedRateLimitingQueue(
		workqueue.NewTypedItemExponentialFailureRateLimiter[string](firstRetry, longestRetry))
	d.lanes[cluster] = lane
	for range callsPerCluster {
		d.spawn(func(ctx context.Context) {
			for {
				id, shutdown := lane.Get()
				if shutdown {
					return
				}
				d.process(ctx, lane, unitKey{cluster, id})
				lane.Done(id)
			}
		})
	}
	return lane
}

// outcomeOf tells how the last call for the unit ended; the zero outcome when
// there was none.
func (d *dispatcher) outcomeOf(key unitKey) outcome {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known := d.tasks[key]; known != nil {
		return known.outcome
	}
	return outcome{}
}

// isRemoving is true when the last thing asked for is the removal of the unit.
func (d *dispatcher) isRemoving(key unitKey) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.tasks[key]
	return known != nil && known.unit == nil
}

// settle notes that nothing is left to do for the unit, so that from here on only
// its record counts.
func (d *dispatcher) settle(key unitKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known := d.tasks[key]; known != nil {
		known.pending = false
		known.outcome = outcome{}
	}
}

// forget drops all that is known of the unit.
func (d *dispatcher) forget(key unitKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.tasks, key)
}

// forgetOwner drops all that is wanted by a deployment that does not exist any
// more. There is nothing left to do after an orderly end; when somebody took the
// finalizer away, this keeps units from being sent for nobody.
func (d *dispatcher) forgetOwner(owner types.NamespacedName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, known := range d.tasks {
		if known.owner == owner {
			delete(d.tasks, key)
		}
	}
}

// kick makes the calls to a cluster that wait for their next attempt now.
func (d *dispatcher) kick(cluster string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	lane, ok := d.lanes[cluster]
	if !ok {
		return
	}
	for key, known := range d.tasks {
		if key.cluster == cluster && known.pending {
			lane.Forget(key.id)
			lane.Add(key.id)
		}
	}
}

// recordChanged asks again at once about a unit that is being removed: its
// record may just have gone.
func (d *dispatcher) recordChanged(key unitKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known := d.tasks[key]; known != nil && known.pending && known.unit == nil {
		if lane, ok := d.lanes[key.cluster]; ok {
			lane.Forget(key.id)
			lane.Add(key.id)
		}
	}
}

// forgetCluster drops everything about a cluster that went away.
func (d *dispatcher) forgetCluster(cluster string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key := range d.tasks {
		if key.cluster == cluster {
			delete(d.tasks, key)
		}
	}
	if lane, ok := d.lanes[cluster]; ok {
		lane.ShutDown()
		delete(d.lanes, cluster)
	}
}

func (d *dispatcher) process(ctx context.Context, lane workqueue.TypedRateLimitingInterface[string], key unitKey) {
	d.mu.Lock()
	current := d.tasks[key]
	if current == nil || !current.pending {
		d.mu.Unlock()
		return
	}
	owner, unit := current.owner, current.unit
	d.mu.Unlock()

	result := d.call(ctx, owner, key, unit)
	if ctx.Err() != nil {
		return
	}

	d.mu.Lock()
	if d.tasks[key] != current {
		// Something else is wanted by now, and is in the queue already.
		d.mu.Unlock()
		return
	}
	if errors.Is(result.err, crmclient.ErrBreakerOpen) && crmclient.IsUnreachable(current.outcome.err) {
		// The reason why the breaker opened says more than that it is open.
		result.err = current.outcome.err
	}
	news := isNews(current.outcome, result)
	current.outcome = result
	current.pending = result.err != nil || (unit == nil && !result.gone)
	switch {
	case !current.pending:
		lane.Forget(key.id)
	case crmclient.IsTerminal(result.err):
		lane.Forget(key.id)
		lane.AddAfter(key.id, refusedRetry)
	default:
		lane.AddRateLimited(key.id)
	}
	d.mu.Unlock()
	if news {
		d.notify(owner)
	}
}

func (d *dispatcher) call(ctx context.Context, owner types.NamespacedName, key unitKey, unit *deploymentv1.DeploymentUnit) outcome {
	log := klog.FromContext(ctx).WithValues("cluster", key.cluster, "deploymentID", key.id)
	link, ok := d.pool.Get(key.cluster)
	if !ok {
		return outcome{err: crmclient.NoLink(key.cluster, "Deploy"), at: d.clock.Now()}
	}
	if unit == nil {
		gone, err := link.Delete(ctx, owner, key.id)
		log.V(2).Info("Asked for the removal of a unit", "gone", gone, "err", err)
		return outcome{gone: gone, err: err, at: d.clock.Now()}
	}
	answer, err := link.Deploy(ctx, unit)
	log.V(2).Info("Sent a unit", "hash", unit.GetHash(), "outcome", answer.GetOutcome(), "err", err)
	if err != nil {
		return outcome{err: err, at: d.clock.Now()}
	}
	return outcome{hash: unit.GetHash(), at: d.clock.Now()}
}

// isNews is true when the owner would see a difference.
func isNews(before, after outcome) bool {
	if before.at.IsZero() || before.hash != after.hash || before.gone != after.gone {
		return true
	}
	if before.err == nil || after.err == nil {
		return (before.err == nil) != (after.err == nil)
	}
	return before.err.Error() != after.err.Error()
}
