// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

const (
	// Lifetime is how long room is kept for a record that is not seen: much longer
	// than a write and the caches behind it take.
	Lifetime = time.Minute
	// FieldManager owns the status of EnvironmentConfigs.
	FieldManager = v1alpha1.FieldManagerReconciler

	// firstWait and lastWait bound the growing, jittered wait after another program
	// was faster.
	firstWait, lastWait = 5 * time.Millisecond, 250 * time.Millisecond
)

// Request asks for room for a record that is about to be written.
type Request struct {
	// Environment whose quotas count.
	Environment string
	// Record that is about to be written.
	Record client.ObjectKey
	// Demand is all that the record may come to use, not only what is new.
	Demand v1alpha1.UsedQuotas
	// Before is the record as the API server has it; nil for none.
	Before *v1alpha1.DeploymentRecord
}

// Reservation is room that is kept for a record.
type Reservation struct {
	request Request
	// held is what the record had before.
	held v1alpha1.UsedQuotas
	// written is the reservation as it was stored.
	written v1alpha1.QuotaReservation
}

// Ledger gives away the room in environments. What it decides from is the status
// of the EnvironmentConfig in the API server, whose optimistic lock keeps any
// number of programs from giving the same room away twice.
type Ledger struct {
	// Live reads from the API server.
	Live client.Reader
	// Client writes status.
	Client client.Client
	// Clock tells the time.
	Clock clock.Clock
	// Meter tells what records ask for.
	Meter Meter
	turns turns
}

// Reserve keeps room for a record, until it was admitted with it, or for Lifetime
// where no such record is seen. It returns an *ExceededError where there is no
// room, and nil, nil where nothing has to be kept: the environment bounds nothing,
// or the record asks for no more than it has. It writes only where there is
// something to keep.
func (l *Ledger) Reserve(ctx context.Context, request Request) (*Reservation, error) {
	var reservation *Reservation
	err := l.Edit(ctx, request.Environment, func(ctx context.Context, config *v1alpha1.EnvironmentConfig) error {
		reservation = nil
		plan, err := l.plan(ctx, config, request)
		if err != nil || plan == nil {
			return err
		}
		config.Status.Used, config.Status.Reservations = plan.used, plan.reservations
		reservation = &plan.Reservation
		return nil
	})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return reservation, err
}

// Check tells whether Reserve would find room now, and keeps none.
func (l *Ledger) Check(ctx context.Context, request Request) error {
	config := &v1alpha1.EnvironmentConfig{}
	if err := l.Live.Get(ctx, client.ObjectKey{Name: request.Environment}, config); err != nil {
		return client.IgnoreNotFound(err)
	}
	_, err := l.plan(ctx, config, request)
	return err
}

// Release gives back at once what was kept for a write that is known not to have
// happened. What cannot be given back expires.
func (l *Ledger) Release(ctx context.Context, reservation *Reservation) error {
	if reservation == nil {
		return nil
	}
	err := l.Edit(ctx, reservation.request.Environment, func(_ context.Context, config *v1alpha1.EnvironmentConfig) error {
		i := slices.IndexFunc(config.Status.Reservations, func(r v1alpha1.QuotaReservation) bool {
			return equality.Semantic.DeepEqual(r, reservation.written)
		})
		if i < 0 {
			// Another write of the same record counts on it by now, or it is gone.
			return nil
		}
		kept := &config.Status.Reservations[i]
		config.Status.Used = missing(config.Status.Used, missing(kept.Amount, reservation.held))
		if kept.Amount = reservation.held; covers(v1alpha1.UsedQuotas{}, kept.Amount) {
			config.Status.Reservations = slices.Delete(config.Status.Reservations, i, i+1)
		}
		return nil
	})
	return client.IgnoreNotFound(err)
}

// Edit changes the status of an EnvironmentConfig as the API server has it, and
// tries again, until ctx ends, as long as others are faster. It writes nothing
// where change changed nothing or failed.
func (l *Ledger) Edit(ctx context.Context, environment string, change func(context.Context, *v1alpha1.EnvironmentConfig) error) error {
	// Within this program each waits for the one before, which is quicker than
	// losing against it.
	leave, err := l.turns.enter(ctx, environment)
	if err != nil {
		return err
	}
	defer leave()
	pause := wait.Backoff{Duration: firstWait, Factor: 1.5, Jitter: 1, Steps: math.MaxInt, Cap: lastWait}.DelayFunc()
	for {
		err := l.edit(ctx, environment, change)
		if !apierrors.IsConflict(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, and others were faster each time: %w", context.Cause(ctx), err)
		case <-l.Clock.After(pause()):
		}
	}
}

// edit tries once.
func (l *Ledger) edit(ctx context.Context, environment string, change func(context.Context, *v1alpha1.EnvironmentConfig) error) error {
	config := &v1alpha1.EnvironmentConfig{}
	if err := l.Live.Get(ctx, client.ObjectKey{Name: environment}, config); err != nil {
		return fmt.Errorf("read EnvironmentConfig %s: %w", environment, err)
	}
	before := config.DeepCopy()
	if err := change(ctx, config); err != nil {
		return err
	}
	if equality.Semantic.DeepEqual(before.Status, config.Status) {
		return nil
	}
	if err := l.Client.Status().Patch(ctx, config, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}),
		client.FieldOwner(FieldManager)); err != nil {
		return fmt.Errorf("write status of EnvironmentConfig %s: %w", environment, err)
	}
	return nil
}

// plan is what Reserve would write.
type plan struct {
	Reservation
	used         v1alpha1.UsedQuotas
	reservations []v1alpha1.QuotaReservation
}

// plan decides; nil where nothing has to be kept.
func (l *Ledger) plan(ctx context.Context, config *v1alpha1.EnvironmentConfig, request Request) (*plan, error) {
	if !Bounded(config.Spec.Quotas) {
		return nil, nil
	}
	key := Key(request.Record)
	reserved := reservationOf(config, key)
	held := l.Meter.has(request.Before, request.Environment, reserved)
	if covers(held, request.Demand) && !l.runsOut(request, reserved) {
		return nil, nil
	}
	used, err := l.used(ctx, config)
	if err != nil {
		return nil, err
	}
	more := missing(request.Demand, held)
	if exceeded := Fits(request.Environment, config.Spec.Quotas, used, more); exceeded != nil {
		return nil, exceeded
	}
	written := v1alpha1.QuotaReservation{
		Record: key,
		// Whichever of several writes at once is the last, there is room for it.
		Amount:  larger(held, request.Demand),
		Expires: metav1.NewTime(l.Clock.Now().Add(Lifetime).Truncate(time.Second)),
	}
	reservations := slices.DeleteFunc(slices.Clone(config.Status.Reservations), func(r v1alpha1.QuotaReservation) bool { return r.Record == key })
	reservations = append(reservations, written)
	slices.SortFunc(reservations, func(a, b v1alpha1.QuotaReservation) int { return strings.Compare(a.Record, b.Record) })
	return &plan{
		Reservation:  Reservation{request: request, held: held, written: written},
		used:         sum(used, more),
		reservations: reservations,
	}, nil
}

// runsOut tells that a record lives on a reservation that may not outlive the write.
func (l *Ledger) runsOut(request Request, reserved *v1alpha1.QuotaReservation) bool {
	return reserved != nil && reserved.Expires.Sub(l.Clock.Now()) < Lifetime/2 &&
		!covers(l.Meter.has(request.Before, request.Environment, nil), request.Demand)
}

// used is what the status says, or, where it speaks of an older generation, in
// which perhaps nothing was bounded, what the records say themselves.
func (l *Ledger) used(ctx context.Context, config *v1alpha1.EnvironmentConfig) (v1alpha1.UsedQuotas, error) {
	if config.Status.ObservedGeneration == config.Generation {
		return config.Status.Used, nil
	}
	// All of them, since one that left the environment counts here until it has.
	records := &v1alpha1.DeploymentRecordList{}
	if err := l.Live.List(ctx, records); err != nil {
		return v1alpha1.UsedQuotas{}, fmt.Errorf("sum up the records of environment %s: %w", config.Name, err)
	}
	counting := slices.DeleteFunc(records.Items, func(record v1alpha1.DeploymentRecord) bool {
		return !slices.Contains(Environments(&record), config.Name)
	})
	return l.Meter.Balance(ctx, config.Name, counting, config.Status.Reservations, l.Clock.Now()).Used, nil
}
