// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Environment variables that every function container gets. They win over the
// function's own, because callers rely on them.
const (
	envFunctionKey        = "FUNCTION_KEY"
	envDeploymentID       = "DEPLOYMENT_ID"
	envEnvironment        = "ENVIRONMENT"
	envExpectedThroughput = "EXPECTED_THROUGHPUT"
	envMaxLatency         = "MAX_LATENCY_MS"
)

// env is the container's environment, sorted so that equal records render
// equally. Of two variables with one name the later wins: telemetry, the function's
// own, its secrets, the data grid's, the platform's.
func (f *function) env() []corev1.EnvVar {
	values := map[string]corev1.EnvVar{}
	// Values are data: the kubelet would take $(X) for another variable, and $$ is how
	// it writes one $.
	set := func(name, value string) {
		values[name] = corev1.EnvVar{Name: name, Value: strings.ReplaceAll(value, "$", "$$")}
	}
	// A function that has settings of its own for telemetry knows why.
	for name, value := range f.telemetry() {
		set(name, value)
	}
	for _, variable := range f.container.Env {
		set(variable.Name, variable.Value)
	}
	for _, variable := range f.container.SecretEnv {
		reference := &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: variable.SecretName}, Key: variable.Key,
		}
		if variable.Optional {
			reference.Optional = new(true)
		}
		values[variable.Name] = corev1.EnvVar{Name: variable.Name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: reference}}
	}
	if f.grid != nil {
		for _, variable := range f.grid.FunctionEnv(f.container.FunctionKey) {
			values[variable.Name] = variable
		}
	}
	set(envFunctionKey, f.container.FunctionKey)
	set(envDeploymentID, f.record.Name)
	set(envEnvironment, f.record.Spec.TargetEnvironment)
	if rate := f.record.Spec.NFRRequirements.MinThroughputRPS; rate != nil {
		set(envExpectedThroughput, strconv.FormatInt(*rate, 10))
	}
	if latency := f.record.Spec.NFRRequirements.MaxLatencyMs; latency != nil {
		set(envMaxLatency, strconv.FormatInt(*latency, 10))
	}
	env := make([]corev1.EnvVar, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		env = append(env, values[name])
	}
	return env
}
