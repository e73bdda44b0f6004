// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/controller/deploymentrecord"
	"oaas.io/oaas/pkg/crm/children"
	"oaas.io/oaas/pkg/crm/config"
	"oaas.io/oaas/pkg/crm/render"
)

// newChildren returns the cache of what is made for records.
func newChildren(mgr manager.Manager) (*children.Cache, error) {
	return children.New(children.Options{
		Config: mgr.GetConfig(),
		Mapper: mgr.GetRESTMapper(),
		Clock:  clock.RealClock{},
		Log:    mgr.GetLogger().WithName("children"),
	})
}

// addRecords makes the program reconcile records.
func addRecords(mgr manager.Manager, settings config.Config, metrics prometheus.Registerer) error {
	known, err := newChildren(mgr)
	if err != nil {
		return err
	}
	reconciler, err := deploymentrecord.New(deploymentrecord.Options{
		Client:   mgr.GetClient(),
		Live:     mgr.GetAPIReader(),
		Children: known,
		Renderer: deploymentrecord.RendererFunc(func(_ context.Context, record *v1alpha1.DeploymentRecord) (*render.Rendering, error) {
			return render.Render(render.Input{Record: record, MaxReplicas: settings.Limits.MaxReplicas})
		}),
		Recorder: mgr.GetEventRecorder("oaas-crm"),
		Clock:    clock.RealClock{},
		Metrics:  metrics,
	})
	if err != nil {
		return err
	}
	return reconciler.Register(mgr, settings.ReconcileConcurrency, known)
}
