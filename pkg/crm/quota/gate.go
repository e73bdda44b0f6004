// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// Gate lets records in that are about to be worked on, however they were written.
type Gate struct {
	// Cache reads EnvironmentConfigs and records.
	Cache client.Reader
	// Ledger gives room to a record that nobody reserved any for.
	Ledger *Ledger
}

// Admitted returns nil for a record that may come to use what is demanded; its status
// then notes that. The error is an *ExceededError where the
// environment has no room: what runs of the record stays as it is, and the record
// is to be looked at again when RoomAppeared.
//
// A record that asks for no more than it was let in with costs no call.
func (g *Gate) Admitted(ctx context.Context, record *v1alpha1.DeploymentRecord, demand v1alpha1.UsedQuotas) error {
	environment := record.Spec.TargetEnvironment
	config := &v1alpha1.EnvironmentConfig{}
	if err := g.Cache.Get(ctx, client.ObjectKey{Name: environment}, config); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !Bounded(config.Spec.Quotas) {
		return nil
	}
	if covers(g.Ledger.Meter.has(record, environment, reservationOf(config, Key(client.ObjectKeyFromObject(record)))), demand) {
		return nil
	}
	_, err := g.Ledger.Reserve(ctx, Request{
		Environment: environment, Record: client.ObjectKeyFromObject(record), Demand: demand, Before: record,
	})
	return err
}

// Waiting are the records that an environment had no room for when they were last
// looked at, to be looked at again when RoomAppeared. It is a handler.MapFunc of
// EnvironmentConfigs.
func (g *Gate) Waiting(ctx context.Context, configuration client.Object) []reconcile.Request {
	environment := configuration.GetName()
	records := &v1alpha1.DeploymentRecordList{}
	if err := g.Cache.List(ctx, records, client.MatchingFields{EnvironmentIndex: environment}, client.UnsafeDisableDeepCopy); err != nil {
		logr.FromContextOrDiscard(ctx).Error(err, "list records that wait for room", "environment", environment)
		return nil
	}
	var waiting []reconcile.Request
	for i := range records.Items {
		if record := &records.Items[i]; record.Spec.TargetEnvironment == environment && waits(record) {
			waiting = append(waiting, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(record)})
		}
	}
	return waiting
}

func waits(record *v1alpha1.DeploymentRecord) bool {
	return slices.ContainsFunc(record.Status.Conditions, func(condition metav1.Condition) bool {
		return condition.Reason == ReasonQuotaExceeded
	})
}

// RoomAppeared passes changes of EnvironmentConfigs after which a record may fit
// that did not: less is used, or the configuration is another one.
func RoomAppeared() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, okBefore := e.ObjectOld.(*v1alpha1.EnvironmentConfig)
			after, okAfter := e.ObjectNew.(*v1alpha1.EnvironmentConfig)
			return okBefore && okAfter && (before.Generation != after.Generation || !covers(after.Status.Used, before.Status.Used))
		},
	}
}

// EnvironmentIndex finds records in the cache by Environments.
const EnvironmentIndex = "environments"

// IndexRecords adds EnvironmentIndex to a cache, before it is started.
func IndexRecords(ctx context.Context, records client.FieldIndexer) error {
	err := records.IndexField(ctx, &v1alpha1.DeploymentRecord{}, EnvironmentIndex, func(object client.Object) []string {
		record, ok := object.(*v1alpha1.DeploymentRecord)
		if !ok {
			return nil
		}
		return Environments(record)
	})
	if err != nil {
		return fmt.Errorf("index records by environment: %w", err)
	}
	return nil
}

// Definitive tells that a write which failed with err did not happen and will not,
// so that what was reserved for it can be given back.
func Definitive(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsConflict(err) ||
		apierrors.IsBadRequest(err) || apierrors.IsAlreadyExists(err) || apierrors.IsRequestEntityTooLargeError(err)
}
