// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"context"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// Balance is what an environment's records and reservations come to.
type Balance struct {
	// Used is what records were admitted with and what is reserved beside that.
	Used v1alpha1.UsedQuotas
	// Reservations that are still needed, ordered by record.
	Reservations []v1alpha1.QuotaReservation
	// Again is when the next reservation expires; zero for never.
	Again time.Time
}

// Balance sums up the records that count in one environment, those that are being deleted
// included: they use what they have until they are gone.
//
// A reservation is dropped when the record was admitted with all of it, or when it
// expired and its record does not wait for it. An outdated copy of a record keeps
// its reservation, since it was admitted with less. Where it was admitted with more,
// dropping the reservation costs the record its promise, but no environment its
// quota: the Gate asks anew before such a record runs.
func (m Meter) Balance(ctx context.Context, environment string, records []v1alpha1.DeploymentRecord, reservations []v1alpha1.QuotaReservation, now time.Time) Balance {
	var b Balance
	reserving := make(map[client.ObjectKey]*v1alpha1.DeploymentRecord, len(reservations))
	for _, reservation := range reservations {
		reserving[parseKey(reservation.Record)] = nil
	}
	for i := range records {
		b.Used = sum(b.Used, m.Admitted(&records[i], environment))
		key := client.ObjectKeyFromObject(&records[i])
		if _, ok := reserving[key]; ok {
			reserving[key] = &records[i]
		}
	}
	for _, reservation := range reservations {
		var admitted v1alpha1.UsedQuotas
		waits := false
		if record := reserving[parseKey(reservation.Record)]; record != nil {
			admitted, waits = m.Admitted(record, environment), m.waitsFor(ctx, record, environment, reservation.Amount)
		}
		if covers(admitted, reservation.Amount) {
			continue
		}
		if !waits {
			if expires := reservation.Expires.Time; !now.Before(expires) {
				continue
			} else if b.Again.IsZero() || expires.Before(b.Again) {
				b.Again = expires
			}
		}
		b.Used = sum(b.Used, missing(reservation.Amount, admitted))
		b.Reservations = append(b.Reservations, reservation)
	}
	slices.SortFunc(b.Reservations, func(a, b v1alpha1.QuotaReservation) int { return strings.Compare(a.Record, b.Record) })
	return b
}

// waitsFor tells that a record is there which the amount was reserved for, and has
// not been worked on: it was promised its room, however long that takes.
func (m Meter) waitsFor(ctx context.Context, record *v1alpha1.DeploymentRecord, environment string, amount v1alpha1.UsedQuotas) bool {
	demand, err := m.Demand(ctx, record)
	return err == nil && record.Spec.TargetEnvironment == environment && record.DeletionTimestamp.IsZero() &&
		!covers(m.Admitted(record, environment), demand) && covers(amount, demand)
}

// Key is how a reservation names a record.
func Key(record client.ObjectKey) string { return record.String() }

func parseKey(key string) client.ObjectKey {
	namespace, name, _ := strings.Cut(key, "/")
	return client.ObjectKey{Namespace: namespace, Name: name}
}

// has is what a record holds by now: what it was admitted with, or what is reserved
// for it.
func (m Meter) has(record *v1alpha1.DeploymentRecord, environment string, reserved *v1alpha1.QuotaReservation) v1alpha1.UsedQuotas {
	var held v1alpha1.UsedQuotas
	if record != nil {
		held = m.Admitted(record, environment)
	}
	if reserved != nil {
		held = larger(held, reserved.Amount)
	}
	return held
}

// reservationOf finds a record's reservation; nil for none.
func reservationOf(config *v1alpha1.EnvironmentConfig, key string) *v1alpha1.QuotaReservation {
	i := slices.IndexFunc(config.Status.Reservations, func(r v1alpha1.QuotaReservation) bool { return r.Record == key })
	if i < 0 {
		return nil
	}
	return &config.Status.Reservations[i]
}
