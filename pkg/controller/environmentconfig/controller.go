// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package environmentconfig keeps the status of EnvironmentConfigs: whether they
// can be used, and what is used of their quotas.
//
// Room is given away by the quota ledger, on any copy of the program; this
// controller, of which one runs, sums up what records really have, so that room
// comes back when records go or shrink, and drops reservations that are not needed
// any more.
package environmentconfig

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/controller/setup"
	"oaas.io/oaas/pkg/crm/environment"
	"oaas.io/oaas/pkg/crm/quota"
	"oaas.io/oaas/pkg/wording"
)

const (
	// Name is the controller's name in logs and metrics.
	Name = "environmentconfig"

	// boundedDelay lets records that change together cost one write. It is what room
	// that was given up takes to be there for others.
	boundedDelay = 50 * time.Millisecond
	// unboundedDelay is for environments where what is used is only told, and decides
	// nothing.
	unboundedDelay = 10 * time.Second
)

// Options are what a reconciler is made of.
type Options struct {
	// Cache holds EnvironmentConfigs and records, with quota.EnvironmentIndex.
	Cache client.Reader
	// Ledger keeps the quotas of environments.
	Ledger *quota.Ledger
	// Defaults hold where an environment says nothing.
	Defaults environment.Defaults
	// Recorder receives events about EnvironmentConfigs.
	Recorder events.EventRecorder
	// Clock tells the time.
	Clock clock.PassiveClock
}

// Reconciler keeps the status of one EnvironmentConfig.
type Reconciler struct {
	cache    client.Reader
	ledger   *quota.Ledger
	defaults environment.Defaults
	recorder events.EventRecorder
	clock    clock.PassiveClock
}

// New returns a reconciler.
func New(options Options) *Reconciler {
	return &Reconciler{
		cache: options.Cache, ledger: options.Ledger, defaults: options.Defaults, recorder: options.Recorder, clock: options.Clock,
	}
}

// Register adds the reconciler to the manager, to run where it leads.
func (r *Reconciler) Register(mgr manager.Manager) error {
	err := builder.ControllerManagedBy(mgr).
		Named(Name).
		For(&v1alpha1.EnvironmentConfig{}).
		Watches(&v1alpha1.DeploymentRecord{}, r.records()).
		Watches(&v1alpha1.EnvironmentConfig{}, handler.EnqueueRequestsFromMapFunc(r.others),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(setup.Options(mgr, Name, setup.Named("environment"))).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up controller %s: %w", Name, err)
	}
	return nil
}

// Reconcile makes one pass. It reads from caches unless there is something to
// write.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	config := &v1alpha1.EnvironmentConfig{}
	if err := r.cache.Get(ctx, request.NamespacedName, config); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	before := config.Status.DeepCopy()
	again, err := r.observe(ctx, config)
	if err != nil {
		return reconcile.Result{}, err
	}
	if !equality.Semantic.DeepEqual(*before, config.Status) {
		// Reservations may have been made since the cache heard of any.
		var written *v1alpha1.EnvironmentConfig
		err = r.ledger.Edit(ctx, request.Name, func(ctx context.Context, live *v1alpha1.EnvironmentConfig) error {
			before, written = live.Status.DeepCopy(), live
			again, err = r.observe(ctx, live)
			return err
		})
		if err == nil {
			r.tell(before, written)
		}
	}
	if err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	return reconcile.Result{RequeueAfter: r.until(again)}, nil
}

// observe brings the status of a configuration up to date. It returns when time
// alone will change it, zero for never.
//
// Records are read after the configuration, so that a record whose reservation is
// gone from that is seen with what it was admitted with.
func (r *Reconciler) observe(ctx context.Context, config *v1alpha1.EnvironmentConfig) (time.Time, error) {
	records := &v1alpha1.DeploymentRecordList{}
	if err := r.cache.List(ctx, records, client.MatchingFields{quota.EnvironmentIndex: config.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return time.Time{}, fmt.Errorf("list records of environment %s: %w", config.Name, err)
	}
	all := &v1alpha1.EnvironmentConfigList{}
	if err := r.cache.List(ctx, all, client.UnsafeDisableDeepCopy); err != nil {
		return time.Time{}, fmt.Errorf("list environments: %w", err)
	}
	conflicts := environment.Resolve(config.Name, config, r.defaults).Tenancy().Conflicts(environment.Tenancies(all.Items, r.defaults))
	now := r.clock.Now()
	balance := r.ledger.Meter.Balance(ctx, config.Name, records.Items, config.Status.Reservations, now)
	config.Status = statusOf(config, balance, conflicts, now)
	return balance.Again, nil
}

// tell records an event for each transition of the condition Ready.
func (r *Reconciler) tell(before *v1alpha1.EnvironmentConfigStatus, config *v1alpha1.EnvironmentConfig) {
	was, is := meta.FindStatusCondition(before.Conditions, v1alpha1.EnvironmentReady), meta.FindStatusCondition(config.Status.Conditions, v1alpha1.EnvironmentReady)
	if eventType, ok := transition(was, is); ok {
		r.recorder.Eventf(config, nil, eventType, is.Reason, "Check", "%s", wording.Cut(is.Message, wording.NoteRoom))
	}
}

// others are the other environments, whose namespaces a changed configuration may
// name, or name no more.
func (r *Reconciler) others(ctx context.Context, changed client.Object) []reconcile.Request {
	all := &v1alpha1.EnvironmentConfigList{}
	if err := r.cache.List(ctx, all, client.UnsafeDisableDeepCopy); err != nil {
		logr.FromContextOrDiscard(ctx).Error(err, "list environments")
		return nil
	}
	var requests []reconcile.Request
	for i := range all.Items {
		if name := all.Items[i].Name; name != changed.GetName() {
			requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Name: name}})
		}
	}
	return requests
}

// until is how long it takes until a moment, at least a bit; zero for never.
func (r *Reconciler) until(moment time.Time) time.Duration {
	if moment.IsZero() {
		return 0
	}
	return max(moment.Sub(r.clock.Now()), boundedDelay)
}

// records wakes the environments that a changed record counts in, once for changes
// that come together.
func (r *Reconciler) records() handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	wake := func(ctx context.Context, q queue, objects ...client.Object) {
		for _, object := range objects {
			record, ok := object.(*v1alpha1.DeploymentRecord)
			if !ok {
				continue
			}
			for _, name := range quota.Environments(record) {
				r.wake(ctx, q, name)
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { wake(ctx, q, e.Object) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { wake(ctx, q, e.Object) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			if countsElsewise(e.ObjectOld, e.ObjectNew) {
				wake(ctx, q, e.ObjectOld, e.ObjectNew)
			}
		},
	}
}

func (r *Reconciler) wake(ctx context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request], name string) {
	config := &v1alpha1.EnvironmentConfig{}
	if err := r.cache.Get(ctx, types.NamespacedName{Name: name}, config); err != nil {
		// An environment without a configuration has no status; one that appears
		// wakes us itself.
		return
	}
	delay := unboundedDelay
	if quota.Bounded(config.Spec.Quotas) {
		delay = boundedDelay
	}
	q.AddAfter(reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}, delay)
}

// countsElsewise tells that a change of a record may change a sum.
func countsElsewise(before, after client.Object) bool {
	a, okBefore := before.(*v1alpha1.DeploymentRecord)
	b, okAfter := after.(*v1alpha1.DeploymentRecord)
	return okBefore && okAfter && (a.UID != b.UID || a.Generation != b.Generation ||
		!equality.Semantic.DeepEqual(a.Status.Admitted, b.Status.Admitted) ||
		(len(a.Status.ResourceRefs) > 0) != (len(b.Status.ResourceRefs) > 0))
}
