// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package blueprint

import (
	"context"
	"strings"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/quota"
)

// RecordsOfEnvironment are the records that an EnvironmentConfig counts for: those of
// the environment, and those of others in the namespaces that it names.
func (b *Blueprint) RecordsOfEnvironment(ctx context.Context, object client.Object) []reconcile.Request {
	configuration, ok := object.(*v1alpha1.EnvironmentConfig)
	if !ok {
		return nil
	}
	list := &v1alpha1.DeploymentRecordList{}
	if err := b.options.Cache.List(ctx, list, client.MatchingFields{quota.EnvironmentIndex: configuration.GetName()}, client.UnsafeDisableDeepCopy); err != nil {
		logr.FromContextOrDiscard(ctx).Error(err, "list records of an environment", "environment", configuration.GetName())
		return nil
	}
	all := requestsOf(list.Items, func(*v1alpha1.DeploymentRecord) bool { return true })
	return append(all, b.neighbours(ctx, configuration)...)
}

// RecordsOfTemplate are the records for which a change of a template may count:
// those that have no template yet or no longer, and those whose turn it is.
func (b *Blueprint) RecordsOfTemplate(ctx context.Context, object client.Object) []reconcile.Request {
	t, ok := object.(*v1alpha1.DeploymentTemplate)
	if !ok {
		return nil
	}
	var requests []reconcile.Request
	if t.Status.Rollout != nil {
		for _, key := range t.Status.Rollout.Batch {
			namespace, name, _ := strings.Cut(key, "/")
			requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}})
		}
	}
	return append(requests, b.WithoutTemplate(ctx)...)
}

// RecordsOfKinds are the records for which it may count that the cluster serves
// other kinds than before: those without a template, and those of which optional
// objects were left out.
func (b *Blueprint) RecordsOfKinds(ctx context.Context, _ client.Object) []reconcile.Request {
	return append(b.WithoutTemplate(ctx), b.partial.requests()...)
}

// WithoutTemplate are the records that wait for a template that can serve them.
func (b *Blueprint) WithoutTemplate(ctx context.Context) []reconcile.Request {
	list := &v1alpha1.DeploymentRecordList{}
	if err := b.options.Cache.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		logr.FromContextOrDiscard(ctx).Error(err, "list records")
		return nil
	}
	return requestsOf(list.Items, func(record *v1alpha1.DeploymentRecord) bool {
		return record.Status.SelectedTemplate == "" ||
			(record.Status.Condition == v1alpha1.RecordFailed && record.Status.Phase == v1alpha1.PhaseTemplateSelection)
	})
}

func requestsOf(records []v1alpha1.DeploymentRecord, wanted func(*v1alpha1.DeploymentRecord) bool) []reconcile.Request {
	var requests []reconcile.Request
	for i := range records {
		if wanted(&records[i]) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&records[i])})
		}
	}
	return requests
}

// TemplateChanged passes changes of templates that may count for records: another
// content, a removal, another batch of a rollout.
func TemplateChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, okBefore := e.ObjectOld.(*v1alpha1.DeploymentTemplate)
		after, okAfter := e.ObjectNew.(*v1alpha1.DeploymentTemplate)
		return okBefore && okAfter && (before.Generation != after.Generation ||
			!equality.Semantic.DeepEqual(before.Status.Rollout, after.Status.Rollout))
	}}
}
