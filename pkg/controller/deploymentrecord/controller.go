// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package deploymentrecord makes what a deployment record asks for run, keeps it
// that way and tells in the record's status how it is doing.
package deploymentrecord

import (
	"context"
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/controller/setup"
)

// Name is the controller's name in logs, metrics and events.
const Name = "deploymentrecord"

// Options of a Reconciler. All fields but Grids are required.
type Options struct {
	// Client reads records and pods, from caches, and writes.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Children knows what was made for records.
	Children Children
	// Renderer decides what is made.
	Renderer Renderer
	// Grids asks the nodes of data grids; nil takes the word of their pods.
	Grids Grids
	// Recorder receives events about records.
	Recorder events.EventRecorder
	// Clock tells the time.
	Clock clock.PassiveClock
	// Metrics is where the reconciler registers its own.
	Metrics prometheus.Registerer
}

// Reconciler brings one record and the cluster together.
type Reconciler struct {
	client   client.Client
	live     client.Reader
	children Children
	renderer Renderer
	grids    Grids
	recorder events.EventRecorder
	clock    clock.PassiveClock
	progress *progress
	duration *prometheus.HistogramVec
}

// New returns a reconciler and registers its metrics.
func New(options Options) (*Reconciler, error) {
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "crm_reconciliation_duration_seconds",
		Help:    "Time that one pass over one deployment record took, by result.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
	}, []string{"result"})
	if err := options.Metrics.Register(duration); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return &Reconciler{
		client:   options.Client,
		live:     options.Live,
		children: options.Children,
		renderer: options.Renderer,
		grids:    options.Grids,
		recorder: options.Recorder,
		clock:    options.Clock,
		progress: newProgress(options.Clock),
		duration: duration,
	}, nil
}

// Register adds the reconciler to the manager. Concurrency is the number of
// records worked on at a time. Sources queue further records: those whose children
// changed, which a *children.Cache does, and those that are to be rendered anew.
func (r *Reconciler) Register(mgr manager.Manager, concurrency int, sources ...source.Source) error {
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &corev1.Pod{}, PodIndex, recordNameOfPod); err != nil {
		return fmt.Errorf("index pods by record: %w", err)
	}
	options := setup.Options(mgr, Name, func(request reconcile.Request) []any {
		return []any{"deploymentID", request.Name, "namespace", request.Namespace}
	})
	options.MaxConcurrentReconciles, options.NewQueue = concurrency, newFairQueue
	b := builder.ControllerManagedBy(mgr).
		Named(Name).
		For(&v1alpha1.DeploymentRecord{}, builder.WithPredicates(intentChanged())).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(recordOfPod), builder.WithPredicates(troubleChanged())).
		WithOptions(options)
	for _, s := range sources {
		b = b.WatchesRawSource(s)
	}
	if err := b.Complete(r); err != nil {
		return fmt.Errorf("set up controller %s: %w", Name, err)
	}
	return nil
}

// intentChanged passes what calls for work: a new generation (which a deletion
// also makes) or a finalizer that somebody removed. Our own status writes do not
// wake us.
func intentChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() ||
			!slices.Equal(e.ObjectOld.GetFinalizers(), e.ObjectNew.GetFinalizers())
	}}
}

// troubleChanged passes pods of ours whose reason for not running changed. What
// else happens to pods shows in the status of their Deployment.
func troubleChanged() predicate.Predicate {
	ours := func(o client.Object) bool {
		return o.GetLabels()[v1alpha1.LabelManagedBy] == v1alpha1.FieldManagerReconciler
	}
	troubled := func(o client.Object) bool {
		pod, ok := o.(*corev1.Pod)
		return ok && ours(o) && troubleOf(pod) != nil
	}
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return troubled(e.Object) },
		DeleteFunc: func(e event.DeleteEvent) bool { return troubled(e.Object) },
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, okBefore := e.ObjectOld.(*corev1.Pod)
			after, okAfter := e.ObjectNew.(*corev1.Pod)
			if !okBefore || !okAfter || !ours(after) {
				return false
			}
			return ptr.Deref(troubleOf(before), trouble{}) != ptr.Deref(troubleOf(after), trouble{})
		},
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

func recordOfPod(_ context.Context, pod client.Object) []reconcile.Request {
	id := pod.GetLabels()[v1alpha1.LabelDeploymentID]
	if id == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: pod.GetNamespace(), Name: id}}}
}

// PodIndex is the field by which the cache finds the pods of a record among all pods
// of a namespace. Register adds it.
const PodIndex = "record"

func recordNameOfPod(pod client.Object) []string {
	id := pod.GetLabels()[v1alpha1.LabelDeploymentID]
	if id == "" || pod.GetLabels()[v1alpha1.LabelManagedBy] != v1alpha1.FieldManagerReconciler {
		return nil
	}
	return []string{id}
}
