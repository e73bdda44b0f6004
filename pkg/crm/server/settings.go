// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// Settings that say nothing are absent from a record, as server-side apply leaves
// them out; otherwise a unit that was sent twice would differ from its record for
// ever. A class's state is there also where it promises nothing: the record then
// holds the model None.

func stateOf(state *deploymentv1.ClassState) *v1alpha1.ClassState {
	if state == nil {
		return nil
	}
	return &v1alpha1.ClassState{
		ConsistencyModel:        consistencyModelOf(state.GetConsistencyModel()),
		Persistent:              state.GetPersistent(),
		RequiresSingleton:       state.GetRequiresSingleton(),
		SupportsBatchOperations: state.GetSupportsBatchOperations(),
	}
}

func stateMessage(state *v1alpha1.ClassState) *deploymentv1.ClassState {
	if state == nil {
		return nil
	}
	return &deploymentv1.ClassState{
		ConsistencyModel:        consistencyModelMessage(state.ConsistencyModel),
		Persistent:              state.Persistent,
		RequiresSingleton:       state.RequiresSingleton,
		SupportsBatchOperations: state.SupportsBatchOperations,
	}
}

func consistencyModelOf(model deploymentv1.ConsistencyModel) v1alpha1.ConsistencyModel {
	switch model {
	case deploymentv1.ConsistencyModel_CONSISTENCY_MODEL_READ_YOUR_WRITE:
		return v1alpha1.ConsistencyReadYourWrite
	case deploymentv1.ConsistencyModel_CONSISTENCY_MODEL_BOUNDED_STALENESS:
		return v1alpha1.ConsistencyBoundedStaleness
	case deploymentv1.ConsistencyModel_CONSISTENCY_MODEL_STRONG:
		return v1alpha1.ConsistencyStrong
	case deploymentv1.ConsistencyModel_CONSISTENCY_MODEL_UNSPECIFIED:
	}
	return v1alpha1.ConsistencyNone
}

func consistencyModelMessage(model v1alpha1.ConsistencyModel) deploymentv1.ConsistencyModel {
	switch model {
	case v1alpha1.ConsistencyReadYourWrite:
		return deploymentv1.ConsistencyModel_CONSISTENCY_MODEL_READ_YOUR_WRITE
	case v1alpha1.ConsistencyBoundedStaleness:
		return deploymentv1.ConsistencyModel_CONSISTENCY_MODEL_BOUNDED_STALENESS
	case v1alpha1.ConsistencyStrong:
		return deploymentv1.ConsistencyModel_CONSISTENCY_MODEL_STRONG
	case v1alpha1.ConsistencyNone:
	}
	return deploymentv1.ConsistencyModel_CONSISTENCY_MODEL_UNSPECIFIED
}

func bindingsOf(bindings []*deploymentv1.MethodBinding) []v1alpha1.MethodBinding {
	var methods []v1alpha1.MethodBinding
	for _, b := range bindings {
		methods = append(methods, v1alpha1.MethodBinding{
			Name: b.GetName(), FunctionKey: b.GetFunctionKey(), Stateless: b.GetStateless(),
			TriggerOnStateChange: b.GetTriggerOnStateChange(), AsyncExecution: b.GetAsyncExecution(),
		})
	}
	return methods
}

func bindingMessages(methods []v1alpha1.MethodBinding) []*deploymentv1.MethodBinding {
	var bindings []*deploymentv1.MethodBinding
	for _, m := range methods {
		bindings = append(bindings, &deploymentv1.MethodBinding{
			Name: m.Name, FunctionKey: m.FunctionKey, Stateless: m.Stateless,
			TriggerOnStateChange: m.TriggerOnStateChange, AsyncExecution: m.AsyncExecution,
		})
	}
	return bindings
}

func odgmOf(settings *deploymentv1.OdgmSettings) *v1alpha1.ODGMConfig {
	if empty(settings) {
		return nil
	}
	return &v1alpha1.ODGMConfig{
		Collections:    slices.Clone(settings.GetCollections()),
		PartitionCount: settings.GetPartitionCount(),
		ReplicaCount:   settings.GetReplicaCount(),
		ShardType:      v1alpha1.ShardType(settings.GetShardType()),
		Log:            settings.GetLog(),
		Options:        someOf(settings.GetOptions()),
		ZenohMode:      settings.GetZenohMode(),
	}
}

func odgmMessage(config *v1alpha1.ODGMConfig) *deploymentv1.OdgmSettings {
	if config == nil {
		return nil
	}
	return &deploymentv1.OdgmSettings{
		Collections:    slices.Clone(config.Collections),
		PartitionCount: config.PartitionCount,
		ReplicaCount:   config.ReplicaCount,
		ShardType:      string(config.ShardType),
		Log:            config.Log,
		Options:        maps.Clone(config.Options),
		ZenohMode:      config.ZenohMode,
	}
}

func telemetryOf(settings *deploymentv1.TelemetrySettings) *v1alpha1.Telemetry {
	if empty(settings) {
		return nil
	}
	return &v1alpha1.Telemetry{
		Enabled:            settings.Enabled,
		Traces:             settings.Traces,
		Metrics:            settings.Metrics,
		Logs:               settings.Logs,
		SamplingRate:       settings.GetSamplingRate(),
		ServiceName:        settings.GetServiceName(),
		ResourceAttributes: someOf(settings.GetResourceAttributes()),
	}
}

func telemetryMessage(telemetry *v1alpha1.Telemetry) *deploymentv1.TelemetrySettings {
	if telemetry == nil {
		return nil
	}
	return &deploymentv1.TelemetrySettings{
		Enabled:            telemetry.Enabled,
		Traces:             telemetry.Traces,
		Metrics:            telemetry.Metrics,
		Logs:               telemetry.Logs,
		SamplingRate:       telemetry.SamplingRate,
		ServiceName:        telemetry.ServiceName,
		ResourceAttributes: maps.Clone(telemetry.ResourceAttributes),
	}
}

func enforcementOf(settings *deploymentv1.EnforcementSettings) *v1alpha1.Enforcement {
	if empty(settings) {
		return nil
	}
	return &v1alpha1.Enforcement{Mode: enforcementModeOf(settings.GetMode()), Dimensions: slices.Clone(settings.GetDimensions())}
}

func enforcementMessage(enforcement *v1alpha1.Enforcement) *deploymentv1.EnforcementSettings {
	if enforcement == nil {
		return nil
	}
	return &deploymentv1.EnforcementSettings{Mode: enforcementModeMessage(enforcement.Mode), Dimensions: slices.Clone(enforcement.Dimensions)}
}

func enforcementModeOf(mode deploymentv1.EnforcementMode) v1alpha1.EnforcementMode {
	switch mode {
	case deploymentv1.EnforcementMode_ENFORCEMENT_MODE_OFF:
		return v1alpha1.EnforcementOff
	case deploymentv1.EnforcementMode_ENFORCEMENT_MODE_OBSERVE:
		return v1alpha1.EnforcementObserve
	case deploymentv1.EnforcementMode_ENFORCEMENT_MODE_BASIC:
		return v1alpha1.EnforcementBasic
	case deploymentv1.EnforcementMode_ENFORCEMENT_MODE_FULL:
		return v1alpha1.EnforcementFull
	case deploymentv1.EnforcementMode_ENFORCEMENT_MODE_UNSPECIFIED:
	}
	return ""
}

func enforcementModeMessage(mode v1alpha1.EnforcementMode) deploymentv1.EnforcementMode {
	switch mode {
	case v1alpha1.EnforcementOff:
		return deploymentv1.EnforcementMode_ENFORCEMENT_MODE_OFF
	case v1alpha1.EnforcementObserve:
		return deploymentv1.EnforcementMode_ENFORCEMENT_MODE_OBSERVE
	case v1alpha1.EnforcementBasic:
		return deploymentv1.EnforcementMode_ENFORCEMENT_MODE_BASIC
	case v1alpha1.EnforcementFull:
		return deploymentv1.EnforcementMode_ENFORCEMENT_MODE_FULL
	default:
		return deploymentv1.EnforcementMode_ENFORCEMENT_MODE_UNSPECIFIED
	}
}

// deletionPolicyOf writes the default out, as the record's definition does.
func deletionPolicyOf(policy deploymentv1.DeletionPolicy) v1alpha1.DeletionPolicy {
	if policy == deploymentv1.DeletionPolicy_DELETION_POLICY_RETAIN {
		return v1alpha1.DeletionRetain
	}
	return v1alpha1.DeletionDelete
}

func deletionPolicyMessage(policy v1alpha1.DeletionPolicy) deploymentv1.DeletionPolicy {
	if policy == v1alpha1.DeletionRetain {
		return deploymentv1.DeletionPolicy_DELETION_POLICY_RETAIN
	}
	return deploymentv1.DeletionPolicy_DELETION_POLICY_DELETE
}

// secretEnvOf sorts, so that the same unit always makes the same record.
func secretEnvOf(variables []*deploymentv1.SecretVariable) []v1alpha1.SecretVariable {
	var env []v1alpha1.SecretVariable
	for _, v := range variables {
		env = append(env, v1alpha1.SecretVariable{Name: v.GetName(), SecretName: v.GetSecretName(), Key: v.GetKey(), Optional: v.GetOptional()})
	}
	slices.SortFunc(env, func(a, b v1alpha1.SecretVariable) int { return cmp.Compare(a.Name, b.Name) })
	return env
}

func secretEnvMessages(env []v1alpha1.SecretVariable) []*deploymentv1.SecretVariable {
	var variables []*deploymentv1.SecretVariable
	for _, v := range env {
		variables = append(variables, &deploymentv1.SecretVariable{Name: v.Name, SecretName: v.SecretName, Key: v.Key, Optional: v.Optional})
	}
	return variables
}

func odgmIntegrationOf(integration *deploymentv1.OdgmIntegration) *v1alpha1.ODGMIntegration {
	if empty(integration) {
		return nil
	}
	config := &v1alpha1.ODGMIntegration{
		Collections:     slices.Clone(integration.GetCollections()),
		AccessMode:      integration.GetAccessMode(),
		CachingStrategy: integration.GetCachingStrategy(),
	}
	for _, t := range integration.GetEventTriggers() {
		config.EventTriggers = append(config.EventTriggers, v1alpha1.EventTrigger{
			Binding: t.GetBinding(), Collections: slices.Clone(t.GetCollections()), AsyncExecution: t.GetAsyncExecution(),
		})
	}
	return config
}

func odgmIntegrationMessage(integration *v1alpha1.ODGMIntegration) *deploymentv1.OdgmIntegration {
	if integration == nil {
		return nil
	}
	message := &deploymentv1.OdgmIntegration{
		Collections:     slices.Clone(integration.Collections),
		AccessMode:      integration.AccessMode,
		CachingStrategy: integration.CachingStrategy,
	}
	for i := range integration.EventTriggers {
		t := &integration.EventTriggers[i]
		message.EventTriggers = append(message.EventTriggers, &deploymentv1.EventTrigger{
			Binding: t.Binding, Collections: slices.Clone(t.Collections), AsyncExecution: t.AsyncExecution,
		})
	}
	return message
}

func templateSelectionMessage(selection *v1alpha1.TemplateSelection) *deploymentv1.TemplateSelection {
	if selection == nil {
		return nil
	}
	message := &deploymentv1.TemplateSelection{}
	for _, candidate := range selection.Candidates {
		message.Candidates = append(message.Candidates, &deploymentv1.TemplateCandidate{
			Template: candidate.Template, Eligible: candidate.Eligible, Score: candidate.Score, Reasons: slices.Clone(candidate.Reasons),
		})
	}
	return message
}

func odgmStatusMessage(status *v1alpha1.ODGMClusterStatus) *deploymentv1.OdgmStatus {
	if status == nil {
		return nil
	}
	return &deploymentv1.OdgmStatus{
		Nodes: status.Nodes, ReadyNodes: status.ReadyNodes, Endpoint: status.Endpoint, Message: status.Message,
	}
}

// empty is true for a message that is absent or has nothing set.
func empty(message proto.Message) bool { return proto.Size(message) == 0 }

func someOf(values map[string]string) map[string]string {
	if len(values) == 0 {
		return nil
	}
	return maps.Clone(values)
}
