// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"net/url"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"oaas.io/oaas/pkg/crm/config"
)

// usePrometheus names the Prometheus that the manifests do without.
func usePrometheus(template *corev1.PodTemplateSpec, address string) {
	container := &template.Spec.Containers[0]
	container.Env = slices.DeleteFunc(container.Env, func(v corev1.EnvVar) bool { return v.Name == config.EnvPrefix+"FEATURES_PROMETHEUS" })
	container.Env = append(container.Env, corev1.EnvVar{Name: config.EnvPrefix + "PROM_URL", Value: address})
}

// validatePrometheus refuses what the Class Runtime Manager would, and passwords,
// which everybody who may read Deployments would see.
func validatePrometheus(address string) error {
	if address == "" {
		return nil
	}
	parsed, err := url.Parse(address)
	switch {
	case err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Hostname() == "" || parsed.RawQuery != "" || parsed.Fragment != "":
		return errors.New("--prometheus-url: must be http://host:port or https://host:port, with a path if need be, without a query")
	case parsed.User != nil:
		return errors.New("--prometheus-url holds credentials: keep the URL in a Secret and set " + config.EnvPrefix + "PROM_URL from it")
	}
	return nil
}
