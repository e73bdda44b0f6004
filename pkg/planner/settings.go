// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner

import (
	"cmp"
	"maps"
	"slices"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// classState is what a cluster has to know of the state of a class; nil for a class
// without state.
func classState(class *pmv1alpha1.ClassDefinition) *deploymentv1.ClassState {
	spec := class.StateSpec
	if spec == nil {
		return nil
	}
	return &deploymentv1.ClassState{
		ConsistencyModel:        consistencyModel(spec.ConsistencyModel),
		Persistent:              spec.Persistent,
		RequiresSingleton:       spec.RequiresSingleton,
		SupportsBatchOperations: spec.SupportsBatchOperations,
	}
}

func consistencyModel(model pmv1alpha1.ConsistencyModel) deploymentv1.ConsistencyModel {
	switch model {
	case pmv1alpha1.ConsistencyReadYourWrite:
		return deploymentv1.ConsistencyModel_CONSISTENCY_MODEL_READ_YOUR_WRITE
	case pmv1alpha1.ConsistencyBoundedStaleness:
		return deploymentv1.ConsistencyModel_CONSISTENCY_MODEL_BOUNDED_STALENESS
	case pmv1alpha1.ConsistencyStrong:
		return deploymentv1.ConsistencyModel_CONSISTENCY_MODEL_STRONG
	case pmv1alpha1.ConsistencyNone:
	}
	return deploymentv1.ConsistencyModel_CONSISTENCY_MODEL_UNSPECIFIED
}

// methodBindings are all methods of a class, those of functions without a workload
// among them, ordered by name. A function's key is as the class writes it, which is
// also the key of its container.
func methodBindings(class *pmv1alpha1.ClassDefinition) []*deploymentv1.MethodBinding {
	bindings := make([]*deploymentv1.MethodBinding, 0, len(class.FunctionBindings))
	for _, binding := range class.FunctionBindings {
		bindings = append(bindings, &deploymentv1.MethodBinding{
			Name:                 binding.Name,
			FunctionKey:          binding.FunctionKey,
			Stateless:            binding.Stateless,
			TriggerOnStateChange: binding.TriggerOnStateChange,
			AsyncExecution:       binding.AsyncExecution,
		})
	}
	slices.SortFunc(bindings, func(a, b *deploymentv1.MethodBinding) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return bindings
}

// odgmSettings are the data grid's settings. The options of a class with state are
// options of its collections; those of the deployment win. Nil says that everything
// follows from the state and the requirements.
func odgmSettings(class *pmv1alpha1.ClassDefinition, spec *pmv1alpha1.ODGMSpec) *deploymentv1.OdgmSettings {
	options := map[string]string{}
	if class.StateSpec != nil {
		maps.Copy(options, class.Options)
	}
	if spec == nil {
		if len(options) == 0 {
			return nil
		}
		return &deploymentv1.OdgmSettings{Options: options}
	}
	maps.Copy(options, spec.Options)
	settings := &deploymentv1.OdgmSettings{
		Collections: slices.Clone(spec.Collections),
		ShardType:   spec.ShardType,
		Log:         spec.Log,
		Options:     options,
		ZenohMode:   spec.ZenohMode,
	}
	if spec.PartitionCount != nil {
		settings.PartitionCount = *spec.PartitionCount
	}
	if spec.ReplicaCount != nil {
		settings.ReplicaCount = *spec.ReplicaCount
	}
	return settings
}

func telemetrySettings(spec *pmv1alpha1.TelemetrySpec) *deploymentv1.TelemetrySettings {
	if spec == nil {
		return nil
	}
	return &deploymentv1.TelemetrySettings{
		Enabled:            spec.Enabled,
		Traces:             spec.Traces,
		Metrics:            spec.Metrics,
		Logs:               spec.Logs,
		SamplingRate:       spec.SamplingRate,
		ServiceName:        spec.ServiceName,
		ResourceAttributes: maps.Clone(spec.ResourceAttributes),
	}
}

func enforcementSettings(spec *pmv1alpha1.Enforcement) *deploymentv1.EnforcementSettings {
	if spec == nil {
		return nil
	}
	return &deploymentv1.EnforcementSettings{
		Mode:       enforcementMode(spec.Mode),
		Dimensions: slices.Clone(spec.Dimensions),
	}
}

func enforcementMode(mode pmv1alpha1.EnforcementMode) deploymentv1.EnforcementMode {
	switch mode {
	case pmv1alpha1.EnforcementOff:
		return deploymentv1.EnforcementMode_ENFORCEMENT_MODE_OFF
	case pmv1alpha1.EnforcementObserve:
		return deploymentv1.EnforcementMode_ENFORCEMENT_MODE_OBSERVE
	case pmv1alpha1.EnforcementBasic:
		return deploymentv1.EnforcementMode_ENFORCEMENT_MODE_BASIC
	case pmv1alpha1.EnforcementFull:
		return deploymentv1.EnforcementMode_ENFORCEMENT_MODE_FULL
	default:
		return deploymentv1.EnforcementMode_ENFORCEMENT_MODE_UNSPECIFIED
	}
}

// deletionPolicy never leaves the choice to the cluster: whoever asked for nothing
// asked for the default of the API.
func deletionPolicy(policy pmv1alpha1.DeletionPolicy) deploymentv1.DeletionPolicy {
	if policy == pmv1alpha1.DeletionRetain {
		return deploymentv1.DeletionPolicy_DELETION_POLICY_RETAIN
	}
	return deploymentv1.DeletionPolicy_DELETION_POLICY_DELETE
}

// secretVariables refer to Secrets of each cluster, ordered by name; no value is
// part of a unit.
func secretVariables(variables []pmv1alpha1.SecretVariable) []*deploymentv1.SecretVariable {
	secrets := make([]*deploymentv1.SecretVariable, 0, len(variables))
	for _, variable := range variables {
		secrets = append(secrets, &deploymentv1.SecretVariable{
			Name: variable.Name, SecretName: variable.SecretName, Key: variable.Key, Optional: variable.Optional,
		})
	}
	slices.SortFunc(secrets, func(a, b *deploymentv1.SecretVariable) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return secrets
}
