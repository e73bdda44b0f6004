// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm

import (
	"context"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"oaas.io/oaas/pkg/controller/environmentconfig"
	"oaas.io/oaas/pkg/crm/blueprint"
	"oaas.io/oaas/pkg/crm/config"
	"oaas.io/oaas/pkg/crm/environment"
	"oaas.io/oaas/pkg/crm/nfr"
	"oaas.io/oaas/pkg/crm/quota"
)

// environmentDefaults are the defaults of the profile under the program's settings.
func environmentDefaults(settings config.Config) environment.Defaults {
	defaults := environment.ProfileDefaults(settings.Profile)
	defaults.Namespace, defaults.OwnNamespace = settings.K8sNamespace, leaseNamespace()
	defaults.MaxReplicas = settings.Limits.MaxReplicas
	defaults.Knative = settings.Features.Knative
	defaults.ODGMImage = settings.ODGM.Image
	return defaults
}

// newLedger returns what keeps the quotas of environments. All parts of the program
// share it, so that they do not compete for the same write.
func newLedger(mgr manager.Manager, settings config.Config, planned quota.Planned) *quota.Ledger {
	return &quota.Ledger{
		Live:   mgr.GetAPIReader(),
		Client: mgr.GetClient(),
		Clock:  clock.RealClock{},
		Meter:  quota.Meter{Ceiling: nfr.Ceiling{MaxReplicas: settings.Limits.MaxReplicas}, Planned: planned},
	}
}

// addEnvironments keeps the status of EnvironmentConfigs.
func addEnvironments(ctx context.Context, mgr manager.Manager, settings config.Config, ledger *quota.Ledger) error {
	if err := quota.IndexRecords(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	if err := blueprint.IndexRecords(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	return environmentconfig.New(environmentconfig.Options{
		Cache: mgr.GetCache(), Ledger: ledger, Defaults: environmentDefaults(settings),
		Recorder: mgr.GetEventRecorder("oaas-crm"), Clock: clock.RealClock{},
	}).Register(mgr)
}
