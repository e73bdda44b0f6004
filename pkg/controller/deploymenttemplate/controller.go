// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package deploymenttemplate checks deployment templates, keeps the revisions that
// records still use and lets a change reach the records in batches.
package deploymenttemplate

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/controller/setup"
)

const (
	// Name is the controller's name in logs, metrics and events.
	Name = "deploymenttemplate"
	// settle gathers the changes of many records into one pass over their template.
	settle = time.Second
)

// templateIndex finds records by the template that their status names.
const templateIndex = "status.selectedTemplate"

// Kinds tells which kinds the cluster serves.
type Kinds interface {
	Served(kind schema.GroupKind) bool
}

// Options are what a reconciler works with.
type Options struct {
	// Kinds tells which templates the cluster can run.
	Kinds Kinds
	// KindsChanged delivers an event when the cluster begins or ceases to serve a
	// kind. The object does not matter.
	KindsChanged <-chan event.GenericEvent
	// BatchSize is the number of records that take a changed template at a time.
	BatchSize int
	// Clock tells the times of transitions.
	Clock clock.PassiveClock
}

// Reconciler looks after templates.
type Reconciler struct {
	// client reads from caches.
	client   client.Client
	recorder events.EventRecorder
	options  Options
}

// New returns a reconciler that works through the manager's client and caches.
func New(mgr manager.Manager, options Options) (*Reconciler, error) {
	byTemplate := func(object client.Object) []string {
		record, ok := object.(*v1alpha1.DeploymentRecord)
		if !ok || record.Status.SelectedTemplate == "" {
			return nil
		}
		return []string{record.Status.SelectedTemplate}
	}
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.DeploymentRecord{}, templateIndex, byTemplate); err != nil {
		return nil, fmt.Errorf("index records by template: %w", err)
	}
	return &Reconciler{client: mgr.GetClient(), recorder: mgr.GetEventRecorder("oaas-crm"), options: options}, nil
}

// Register adds the reconciler to the manager.
func (r *Reconciler) Register(mgr manager.Manager) error {
	b := builder.ControllerManagedBy(mgr).
		Named(Name).
		For(&v1alpha1.DeploymentTemplate{}, builder.WithPredicates(contentChanged())).
		Watches(&v1alpha1.DeploymentRecord{}, templatesOfRecord{unprotected: r.unprotected}, builder.WithPredicates(useChanged())).
		WithOptions(setup.Options(mgr, Name, setup.Named("template")))
	if r.options.KindsChanged != nil {
		b = b.WatchesRawSource(source.Channel(r.options.KindsChanged, handler.EnqueueRequestsFromMapFunc(r.allTemplates)))
	}
	if err := b.Complete(r); err != nil {
		return fmt.Errorf("set up controller %s: %w", Name, err)
	}
	return nil
}

// allTemplates are asked for when the cluster serves other kinds than before.
func (r *Reconciler) allTemplates(ctx context.Context, _ client.Object) []reconcile.Request {
	list := &v1alpha1.DeploymentTemplateList{}
	if err := r.client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		logr.FromContextOrDiscard(ctx).Error(err, "list templates")
		return nil
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, request(list.Items[i].Name))
	}
	return requests
}

func request(template string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: template}}
}

// contentChanged passes a new content and a deletion; our own status writes do not
// wake us.
func contentChanged() predicate.Predicate {
	return predicate.GenerationChangedPredicate{}
}

// useChanged passes records that use another template or revision than before, whose
// health changed or that are on their way out.
func useChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, okBefore := e.ObjectOld.(*v1alpha1.DeploymentRecord)
		after, okAfter := e.ObjectNew.(*v1alpha1.DeploymentRecord)
		return okBefore && okAfter &&
			(useOf(before) != useOf(after) || before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero())
	}}
}

// templatesOfRecord enqueues the templates that a record used and uses, after a
// pause in which more records can change.
type templatesOfRecord struct {
	// unprotected tells of a template whether it could be deleted although a record
	// uses it: this is its first one, and nothing must come in between.
	unprotected func(ctx context.Context, template string) bool
}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

var _ handler.EventHandler = templatesOfRecord{}

// Create implements handler.EventHandler.
func (h templatesOfRecord) Create(ctx context.Context, e event.CreateEvent, q queue) {
	h.enqueue(ctx, e.Object, q)
}

// Update implements handler.EventHandler.
func (h templatesOfRecord) Update(ctx context.Context, e event.UpdateEvent, q queue) {
	h.enqueue(ctx, e.ObjectOld, q)
	h.enqueue(ctx, e.ObjectNew, q)
}

// Delete implements handler.EventHandler. It does not wait: a template that nothing
// uses any more must not be held when the program is removed next.
func (templatesOfRecord) Delete(_ context.Context, e event.DeleteEvent, q queue) {
	if record, ok := e.Object.(*v1alpha1.DeploymentRecord); ok && record.Status.SelectedTemplate != "" {
		q.Add(request(record.Status.SelectedTemplate))
	}
}

// Generic implements handler.EventHandler.
func (h templatesOfRecord) Generic(ctx context.Context, e event.GenericEvent, q queue) {
	h.enqueue(ctx, e.Object, q)
}

func (h templatesOfRecord) enqueue(ctx context.Context, object client.Object, q queue) {
	record, ok := object.(*v1alpha1.DeploymentRecord)
	if !ok || record.Status.SelectedTemplate == "" {
		return
	}
	name := record.Status.SelectedTemplate
	if h.unprotected(ctx, name) {
		q.Add(request(name))
		return
	}
	q.AddAfter(request(name), settle)
}

// unprotected tells of a template whether nothing keeps it from being deleted.
func (r *Reconciler) unprotected(ctx context.Context, name string) bool {
	t := &v1alpha1.DeploymentTemplate{}
	err := r.client.Get(ctx, client.ObjectKey{Name: name}, t, client.UnsafeDisableDeepCopy)
	return err == nil && !controllerutil.ContainsFinalizer(t, v1alpha1.FinalizerTemplateInUse)
}
