// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	templatefiles "oaas.io/oaas/artifacts/templates"
	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/controller/deploymentrecord"
	"oaas.io/oaas/pkg/controller/deploymenttemplate"
	"oaas.io/oaas/pkg/crm/blueprint"
	"oaas.io/oaas/pkg/crm/builtin"
	"oaas.io/oaas/pkg/crm/children"
	"oaas.io/oaas/pkg/crm/config"
	"oaas.io/oaas/pkg/crm/odgm/probe"
	"oaas.io/oaas/pkg/crm/quota"
	"oaas.io/oaas/pkg/crm/template"
)

// kindsQueue is the room for changes of the kinds that the cluster serves. What
// does not fit is no loss: each of them means that everything is looked at.
const kindsQueue = 64

// newChildren returns the cache of what is made for records. Which kinds the cluster
// serves it knows on every copy of the program, since every copy renders for those
// who ask.
func newChildren(mgr manager.Manager) (*children.Cache, error) {
	known, err := children.New(children.Options{
		Config: mgr.GetConfig(),
		Mapper: mgr.GetRESTMapper(),
		Clock:  clock.RealClock{},
		Log:    mgr.GetLogger().WithName("children"),
	})
	if err != nil {
		return nil, err
	}
	return known, mgr.Add(onEveryCopy(func(ctx context.Context) error {
		known.WatchKinds(ctx)
		return nil
	}))
}

// onEveryCopy runs also where another copy of the program leads.
type onEveryCopy func(context.Context) error

// Start implements manager.Runnable.
func (f onEveryCopy) Start(ctx context.Context) error { return f(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (onEveryCopy) NeedLeaderElection() bool { return false }

// newBlueprint returns what decides how records run.
func newBlueprint(mgr manager.Manager, settings config.Config, known *children.Cache) *blueprint.Blueprint {
	return blueprint.New(blueprint.Options{
		Cache:            mgr.GetCache(),
		Kinds:            known,
		Defaults:         environmentDefaults(settings),
		Features:         template.Features{HPA: settings.Features.HPA, Knative: settings.Features.Knative},
		ManagerNamespace: leaseNamespace(),
	})
}

// addRecords makes the program reconcile records.
func addRecords(
	mgr manager.Manager, settings config.Config, known *children.Cache, plans *blueprint.Blueprint, gate *quota.Gate, metrics prometheus.Registerer,
) error {
	sources := []source.Source{known}
	var grids deploymentrecord.Grids
	if settings.ODGM.Probe {
		prober := probe.New(probe.Options{})
		grids, sources = prober, append(sources, prober)
	}
	reconciler, err := deploymentrecord.New(deploymentrecord.Options{
		Client:   mgr.GetClient(),
		Live:     mgr.GetAPIReader(),
		Children: known,
		Renderer: plans.Behind(gate),
		Grids:    grids,
		Recorder: mgr.GetEventRecorder("oaas-crm"),
		Clock:    clock.RealClock{},
		Metrics:  metrics,
	})
	if err != nil {
		return err
	}
	sources = append(sources,
		source.Kind(mgr.GetCache(), client.Object(&v1alpha1.EnvironmentConfig{}),
			handler.EnqueueRequestsFromMapFunc(plans.RecordsOfEnvironment), predicate.GenerationChangedPredicate{}),
		source.Kind(mgr.GetCache(), client.Object(&v1alpha1.EnvironmentConfig{}),
			handler.EnqueueRequestsFromMapFunc(gate.Waiting), quota.RoomAppeared()),
		source.Kind(mgr.GetCache(), client.Object(&v1alpha1.DeploymentTemplate{}),
			handler.EnqueueRequestsFromMapFunc(plans.RecordsOfTemplate), blueprint.TemplateChanged()),
		source.Channel(kindsChanges(known), handler.EnqueueRequestsFromMapFunc(plans.RecordsOfKinds)),
	)
	return reconciler.Register(mgr, settings.ReconcileConcurrency, sources...)
}

// addTemplates brings the built-in templates to the cluster and looks after all.
func addTemplates(mgr manager.Manager, settings config.Config, known *children.Cache) error {
	controller, err := deploymenttemplate.New(mgr, deploymenttemplate.Options{
		Kinds:        known,
		KindsChanged: kindsChanges(known),
		BatchSize:    settings.Templates.BatchSize,
		Clock:        clock.RealClock{},
	})
	if err != nil {
		return err
	}
	return controller.Register(mgr)
}

// applyTemplates brings the built-in templates to the cluster, past caches, which
// are not running yet.
func applyTemplates(ctx context.Context, mgr manager.Manager) error {
	direct, err := client.New(mgr.GetConfig(), client.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), HTTPClient: mgr.GetHTTPClient()})
	if err != nil {
		return fmt.Errorf("reach the API server: %w", err)
	}
	return builtin.Apply(ctx, direct, templatefiles.Files)
}

// kindsChanges delivers an event whenever the cluster begins or ceases to serve a
// kind.
func kindsChanges(known *children.Cache) <-chan event.GenericEvent {
	changes := make(chan event.GenericEvent, kindsQueue)
	known.Listen(func(schema.GroupKind) {
		select {
		case changes <- event.GenericEvent{Object: &v1alpha1.DeploymentTemplate{}}:
		default:
		}
	})
	return changes
}
