// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package environment resolves what holds in an environment of the cluster: its
// EnvironmentConfig over the settings of the program over the defaults of the
// profile. It decides and does nothing else.
package environment

import (
	"cmp"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/config"
	"oaas.io/oaas/pkg/crm/nfr"
)

const (
	// defaultStorageSize is the volume of a data grid's node that names no size.
	defaultStorageSize = "1Gi"
	// edgeReplicaCount bounds the copies of a partition at the edge, where nodes are
	// few.
	edgeReplicaCount = 2
)

// Probe timing of a data grid's nodes, in seconds and failures.
const (
	defaultProbePeriod    = 10
	defaultProbeTimeout   = 1
	defaultProbeThreshold = 3
	defaultStartupSeconds = 120
)

// defaultProtocol is how telemetry is sent.
const defaultProtocol = "grpc"

// Defaults hold where an EnvironmentConfig says nothing, and in an environment that
// has none. ProfileDefaults gives those of a profile; the program puts its settings
// over them.
type Defaults struct {
	// Profile that the defaults are of.
	Profile config.Profile
	// Namespace is one namespace for everything, where an environment's mapping names
	// neither a fixed one nor a prefix or suffix. Empty, as in every profile, puts
	// each record into the namespace of its ClassDeployment.
	Namespace string
	// OwnNamespace is where the program runs. Its Secrets are there, so no tenant gets it
	// by a rule; a mapping that names it means it. Empty keeps none.
	OwnNamespace string
	// MaxReplicas caps the replicas of each function, whatever an environment allows;
	// 0 means no cap.
	MaxReplicas int32
	// Knative lets templates of the type Knative be used where the cluster serves
	// their API. On in full.
	Knative bool
	// Enforcement is how far requirements are kept: Full in full, Basic in edge,
	// Observe in dev.
	Enforcement v1alpha1.EnforcementMode
	// ODGMImage is the data grid's image. Empty, as in every profile, runs none.
	ODGMImage string
	// ODGMStorage is the volume of a data grid's node; nil, as in edge and dev, keeps
	// data only as long as the node's pod.
	ODGMStorage *v1alpha1.ODGMStorage
	// ODGMAntiAffinity keeps the nodes of a data grid on different nodes of the
	// cluster. On in full.
	ODGMAntiAffinity bool
	// ODGMMaxReplicaCount bounds the copies of a partition; 2 in edge, else 0, which
	// means no bound.
	ODGMMaxReplicaCount int32
}

// ProfileDefaults are the defaults of a profile; those of dev for one that is not
// known.
func ProfileDefaults(profile config.Profile) Defaults {
	d := Defaults{
		Profile:     profile,
		MaxReplicas: config.Defaults(profile).Limits.MaxReplicas,
		Enforcement: v1alpha1.EnforcementObserve,
	}
	switch profile {
	case config.ProfileFull:
		d.Knative = true
		d.Enforcement = v1alpha1.EnforcementFull
		d.ODGMStorage = &v1alpha1.ODGMStorage{}
		d.ODGMAntiAffinity = true
	case config.ProfileEdge:
		d.Enforcement = v1alpha1.EnforcementBasic
		d.ODGMMaxReplicaCount = edgeReplicaCount
	case config.ProfileDev:
	}
	return d
}

// Environment is what holds in an environment.
type Environment struct {
	// Name of the environment.
	Name string
	// Configured tells that the environment has an EnvironmentConfig.
	Configured bool
	// Created is when that was created; zero without one.
	Created time.Time
	// Spec has every default filled in.
	Spec v1alpha1.EnvironmentConfigSpec
	// Defaults are what it was resolved over.
	Defaults Defaults
}

// Resolve puts the configuration of an environment, nil where it has none, over the
// defaults. The result shares nothing with the configuration.
func Resolve(name string, configuration *v1alpha1.EnvironmentConfig, defaults Defaults) Environment {
	e := Environment{Name: name, Configured: configuration != nil, Defaults: defaults}
	if configuration != nil {
		e.Spec, e.Created = *configuration.Spec.DeepCopy(), configuration.CreationTimestamp.Time
	}
	e.Spec.Namespaces = completeMapping(e.Spec.Namespaces, defaults)
	e.Spec.Enforcement.Mode = cmp.Or(e.Spec.Enforcement.Mode, defaults.Enforcement)
	e.Spec.Telemetry.Protocol = cmp.Or(e.Spec.Telemetry.Protocol, defaultProtocol)
	completeODGM(&e.Spec.ODGM, defaults)
	return e
}

func completeMapping(mapping v1alpha1.NamespaceMapping, defaults Defaults) v1alpha1.NamespaceMapping {
	if mapping.Fixed == "" && mapping.Prefix == "" && mapping.Suffix == "" {
		mapping.Fixed = defaults.Namespace
	}
	return mapping
}

func completeODGM(odgm *v1alpha1.EnvironmentODGM, defaults Defaults) {
	odgm.Image = cmp.Or(odgm.Image, defaults.ODGMImage)
	odgm.MaxReplicaCount = cmp.Or(odgm.MaxReplicaCount, defaults.ODGMMaxReplicaCount)
	if odgm.Storage == nil && defaults.ODGMStorage != nil {
		odgm.Storage = defaults.ODGMStorage.DeepCopy()
	}
	if odgm.Storage != nil && odgm.Storage.Size == nil {
		odgm.Storage.Size = new(resource.MustParse(defaultStorageSize))
	}
	check := &odgm.HealthCheck
	check.PeriodSeconds = cmp.Or(check.PeriodSeconds, defaultProbePeriod)
	check.TimeoutSeconds = cmp.Or(check.TimeoutSeconds, defaultProbeTimeout)
	check.FailureThreshold = cmp.Or(check.FailureThreshold, defaultProbeThreshold)
	check.StartupSeconds = cmp.Or(check.StartupSeconds, defaultStartupSeconds)
}

// Allowed tells whether a template may be used, and with which ceilings of the
// environment.
func (e Environment) Allowed(template string) (v1alpha1.AllowedTemplate, bool) {
	if len(e.Spec.AllowedTemplates) == 0 {
		return v1alpha1.AllowedTemplate{Name: template}, true
	}
	for _, allowed := range e.Spec.AllowedTemplates {
		if allowed.Name == template {
			return allowed, true
		}
	}
	return v1alpha1.AllowedTemplate{}, false
}

// Ceiling of each function with a template: that of the environment within the
// program's cap.
func (e Environment) Ceiling(template string) nfr.Ceiling {
	allowed, _ := e.Allowed(template)
	ceiling := nfr.Ceiling{MaxReplicas: e.Defaults.MaxReplicas, MaxResources: allowed.MaxResources}
	if allowed.MaxReplicas > 0 && (ceiling.MaxReplicas == 0 || allowed.MaxReplicas < ceiling.MaxReplicas) {
		ceiling.MaxReplicas = allowed.MaxReplicas
	}
	return ceiling
}

// GridConfigured tells whether data grids can run: an image is known.
func (e Environment) GridConfigured() bool { return e.Spec.ODGM.Image != "" }
