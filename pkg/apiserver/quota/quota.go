// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package quota makes the host cluster's ResourceQuotas count for the resources
// that this server stores, as in count/packages.pm.oaas.io. kube-apiserver does
// not apply them to what it passes on to an aggregated server.
package quota

import (
	"slices"

	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	"k8s.io/apiserver/pkg/admission/plugin/resourcequota"
	"k8s.io/apiserver/pkg/quota/v1/generic"
	genericoptions "k8s.io/apiserver/pkg/server/options"
)

// Register adds the admission plugin to those that run unless they are disabled.
func Register(options *genericoptions.AdmissionOptions) {
	resourcequota.Register(options.Plugins)
	// Last of all: an object that another plugin refuses must not be counted.
	options.RecommendedPluginOrder = append(options.RecommendedPluginOrder, resourcequota.PluginName)
}

// Enabled says whether the plugin runs.
func Enabled(options *genericoptions.AdmissionOptions) bool {
	return options != nil && !slices.Contains(options.DisablePlugins, resourcequota.PluginName)
}

// Initializer gives the plugin what it wants.
func Initializer() admission.PluginInitializer { return configurer{} }

type configurer struct{}

// Initialize implements admission.PluginInitializer.
func (configurer) Initialize(plugin admission.Interface) {
	if wants, ok := plugin.(initializer.WantsQuotaConfiguration); ok {
		// Without an evaluator of its own, a resource is counted by its objects.
		wants.SetQuotaConfiguration(generic.NewConfiguration(nil, nil))
	}
}
