// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"
	corev1 "k8s.io/api/core/v1"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/apis/quantity"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// defaultPort is the port of a container that names none.
const defaultPort = 8080

// specOf makes a validated unit into the spec of a record.
func specOf(unit *deploymentv1.DeploymentUnit) v1alpha1.DeploymentRecordSpec {
	spec := v1alpha1.DeploymentRecordSpec{
		DeploymentUnit: v1alpha1.DeploymentUnit{
			ID:              unit.GetId(),
			Namespace:       unit.GetNamespace(),
			ClassDeployment: unit.GetClassDeployment(),
			PackageName:     unit.GetPackageName(),
			PackageVersion:  unit.GetPackageVersion(),
			ClassKey:        unit.GetClassKey(),
			Hash:            unit.GetHash(),
		},
		SelectedTemplate:  unit.GetTemplate(),
		TargetEnvironment: unit.GetEnvironment(),
		ResourceAllocation: v1alpha1.ResourceAllocation{
			ReplicationFactor: unit.GetResourceAllocation().GetReplicationFactor(),
			MinReplicas:       unit.GetResourceAllocation().GetMinReplicas(),
			MaxReplicas:       unit.GetResourceAllocation().GetMaxReplicas(),
		},
		State:          stateOf(unit.GetState()),
		Bindings:       bindingsOf(unit.GetBindings()),
		ODGMConfig:     odgmOf(unit.GetOdgm()),
		Telemetry:      telemetryOf(unit.GetTelemetry()),
		Enforcement:    enforcementOf(unit.GetEnforcement()),
		DeletionPolicy: deletionPolicyOf(unit.GetDeletionPolicy()),
	}
	if nfr := unit.GetNfrRequirements(); nfr != nil {
		spec.NFRRequirements = v1alpha1.NFRRequirements{
			MinThroughputRPS:     nfr.MinThroughputRps,
			MaxLatencyMs:         nfr.MaxLatencyMs,
			Availability:         nfr.GetAvailability(),
			CPUUtilizationTarget: nfr.CpuUtilizationTarget,
		}
	}
	for _, f := range unit.GetFunctionContainers() {
		spec.FunctionContainers = append(spec.FunctionContainers, v1alpha1.FunctionContainer{
			FunctionKey:    f.GetFunctionKey(),
			Image:          f.GetImage(),
			Port:           cmp.Or(f.GetPort(), defaultPort),
			NeedHTTP2:      f.GetNeedHttp2(),
			MaxConcurrency: f.GetMaxConcurrency(),
			Resources: v1alpha1.FunctionResources{
				Requests: resourcesOf(f.GetResourceRequests()),
				Limits:   resourcesOf(f.GetResourceLimits()),
			},
			Env:             envOf(f.GetEnv()),
			SecretEnv:       secretEnvOf(f.GetSecretEnv()),
			MinReplicas:     f.MinReplicas,
			MaxReplicas:     f.MaxReplicas,
			HealthCheck:     healthCheckOf(f.GetHealthCheck()),
			ODGMIntegration: odgmIntegrationOf(f.GetOdgmIntegration()),
			VolumeMounts:    volumeMountsOf(f.GetVolumeMounts()),
		})
	}
	return spec
}

// resourcesOf takes quantities that were validated.
func resourcesOf(texts map[string]string) corev1.ResourceList {
	if len(texts) == 0 {
		return nil
	}
	list := make(corev1.ResourceList, len(texts))
	for name, text := range texts {
		if size, err := quantity.Parse(text); err == nil {
			list[corev1.ResourceName(name)] = size
		}
	}
	return list
}

// envOf sorts, so that the same unit always makes the same record.
func envOf(values map[string]string) []v1alpha1.EnvVar {
	var env []v1alpha1.EnvVar
	for _, name := range slices.Sorted(maps.Keys(values)) {
		env = append(env, v1alpha1.EnvVar{Name: name, Value: values[name]})
	}
	return env
}

func healthCheckOf(check *deploymentv1.HealthCheck) *v1alpha1.HealthCheck {
	if check.GetStartup() == nil && check.GetReadiness() == nil && check.GetLiveness() == nil {
		return nil
	}
	probe := func(p *deploymentv1.HttpProbe) *v1alpha1.HTTPProbe {
		if p == nil {
			return nil
		}
		return &v1alpha1.HTTPProbe{
			Path:                p.GetPath(),
			InitialDelaySeconds: p.GetInitialDelaySeconds(),
			PeriodSeconds:       p.GetPeriodSeconds(),
			TimeoutSeconds:      p.GetTimeoutSeconds(),
			FailureThreshold:    p.GetFailureThreshold(),
		}
	}
	return &v1alpha1.HealthCheck{
		Startup: probe(check.GetStartup()), Readiness: probe(check.GetReadiness()), Liveness: probe(check.GetLiveness()),
	}
}

// messageOf makes a record into its message.
func messageOf(record *v1alpha1.DeploymentRecord) *deploymentv1.DeploymentRecord {
	message := &deploymentv1.DeploymentRecord{
		Unit:            unitOf(&record.Spec),
		Status:          deploymentStatusOf(record),
		Namespace:       record.Namespace,
		CreatedAt:       timestamppb.New(record.CreationTimestamp.Time),
		ResourceVersion: record.ResourceVersion,
	}
	if record.DeletionTimestamp != nil {
		message.DeletedAt = timestamppb.New(record.DeletionTimestamp.Time)
	}
	for _, ref := range record.Status.ResourceRefs {
		message.ResourceRefs = append(message.ResourceRefs, &deploymentv1.ResourceReference{
			ApiVersion: ref.APIVersion, Kind: ref.Kind, Namespace: record.Namespace, Name: ref.Name, Uid: ref.UID,
		})
	}
	return message
}

func unitOf(spec *v1alpha1.DeploymentRecordSpec) *deploymentv1.DeploymentUnit {
	unit := &deploymentv1.DeploymentUnit{
		Id:              spec.DeploymentUnit.ID,
		Namespace:       spec.DeploymentUnit.Namespace,
		ClassDeployment: spec.DeploymentUnit.ClassDeployment,
		PackageName:     spec.DeploymentUnit.PackageName,
		PackageVersion:  spec.DeploymentUnit.PackageVersion,
		ClassKey:        spec.DeploymentUnit.ClassKey,
		Environment:     spec.TargetEnvironment,
		Template:        spec.SelectedTemplate,
		Hash:            spec.DeploymentUnit.Hash,
		NfrRequirements: &deploymentv1.NfrRequirements{
			MinThroughputRps:     spec.NFRRequirements.MinThroughputRPS,
			MaxLatencyMs:         spec.NFRRequirements.MaxLatencyMs,
			Availability:         spec.NFRRequirements.Availability,
			CpuUtilizationTarget: spec.NFRRequirements.CPUUtilizationTarget,
		},
		ResourceAllocation: &deploymentv1.ResourceAllocation{
			ReplicationFactor: spec.ResourceAllocation.ReplicationFactor,
			MinReplicas:       spec.ResourceAllocation.MinReplicas,
			MaxReplicas:       spec.ResourceAllocation.MaxReplicas,
		},
		State:          stateMessage(spec.State),
		Bindings:       bindingMessages(spec.Bindings),
		Odgm:           odgmMessage(spec.ODGMConfig),
		Telemetry:      telemetryMessage(spec.Telemetry),
		Enforcement:    enforcementMessage(spec.Enforcement),
		DeletionPolicy: deletionPolicyMessage(spec.DeletionPolicy),
	}
	for i := range spec.FunctionContainers {
		f := &spec.FunctionContainers[i]
		unit.FunctionContainers = append(unit.FunctionContainers, &deploymentv1.FunctionContainer{
			FunctionKey:      f.FunctionKey,
			Image:            f.Image,
			Port:             f.Port,
			NeedHttp2:        f.NeedHTTP2,
			MaxConcurrency:   f.MaxConcurrency,
			ResourceRequests: quantities(f.Resources.Requests),
			ResourceLimits:   quantities(f.Resources.Limits),
			Env:              envValues(f.Env),
			SecretEnv:        secretEnvMessages(f.SecretEnv),
			MinReplicas:      f.MinReplicas,
			MaxReplicas:      f.MaxReplicas,
			HealthCheck:      healthCheckMessage(f.HealthCheck),
			OdgmIntegration:  odgmIntegrationMessage(f.ODGMIntegration),
			VolumeMounts:     volumeMountMessages(f.VolumeMounts),
		})
	}
	return unit
}

func envValues(env []v1alpha1.EnvVar) map[string]string {
	values := make(map[string]string, len(env))
	for _, variable := range env {
		values[variable.Name] = variable.Value
	}
	return values
}

func healthCheckMessage(check *v1alpha1.HealthCheck) *deploymentv1.HealthCheck {
	if check == nil {
		return nil
	}
	probe := func(p *v1alpha1.HTTPProbe) *deploymentv1.HttpProbe {
		if p == nil {
			return nil
		}
		return &deploymentv1.HttpProbe{
			Path:                p.Path,
			InitialDelaySeconds: p.InitialDelaySeconds,
			PeriodSeconds:       p.PeriodSeconds,
			TimeoutSeconds:      p.TimeoutSeconds,
			FailureThreshold:    p.FailureThreshold,
		}
	}
	return &deploymentv1.HealthCheck{
		Startup: probe(check.Startup), Readiness: probe(check.Readiness), Liveness: probe(check.Liveness),
	}
}

func deploymentStatusOf(record *v1alpha1.DeploymentRecord) *deploymentv1.DeploymentStatus {
	s := &record.Status
	message := &deploymentv1.DeploymentStatus{
		Condition:         conditionMessage(s.Condition),
		Phase:             phaseMessage(s.Phase),
		Message:           s.Message,
		Current:           s.ObservedGeneration == record.Generation,
		SelectedTemplate:  s.SelectedTemplate,
		TemplateSelection: templateSelectionMessage(s.TemplateSelection),
		Odgm:              odgmStatusMessage(s.ODGMClusterStatus),
	}
	for _, condition := range s.Conditions {
		message.Conditions = append(message.Conditions, &deploymentv1.Condition{
			Type: condition.Type, Status: string(condition.Status), Reason: condition.Reason, Message: condition.Message,
			LastTransitionTime: timestamppb.New(condition.LastTransitionTime.Time),
		})
	}
	for _, f := range s.FunctionContainerStatus {
		message.Functions = append(message.Functions, &deploymentv1.FunctionStatus{
			FunctionKey: f.FunctionKey, Workload: f.Workload, Replicas: f.Replicas, ReadyReplicas: f.ReadyReplicas, Url: f.URL, Message: f.Message,
		})
	}
	return message
}

func conditionMessage(condition v1alpha1.RecordCondition) deploymentv1.RecordCondition {
	switch condition {
	case v1alpha1.RecordPending, "":
		// A record without a status was accepted and not yet worked on.
		return deploymentv1.RecordCondition_RECORD_CONDITION_PENDING
	case v1alpha1.RecordProvisioning:
		return deploymentv1.RecordCondition_RECORD_CONDITION_PROVISIONING
	case v1alpha1.RecordRunning:
		return deploymentv1.RecordCondition_RECORD_CONDITION_RUNNING
	case v1alpha1.RecordScaling:
		return deploymentv1.RecordCondition_RECORD_CONDITION_SCALING
	case v1alpha1.RecordFailed:
		return deploymentv1.RecordCondition_RECORD_CONDITION_FAILED
	case v1alpha1.RecordTerminated:
		return deploymentv1.RecordCondition_RECORD_CONDITION_TERMINATED
	default:
		return deploymentv1.RecordCondition_RECORD_CONDITION_UNSPECIFIED
	}
}

func phaseMessage(phase v1alpha1.RecordPhase) deploymentv1.RecordPhase {
	switch phase {
	case v1alpha1.PhaseTemplateSelection:
		return deploymentv1.RecordPhase_RECORD_PHASE_TEMPLATE_SELECTION
	case v1alpha1.PhaseResourceProvisioning:
		return deploymentv1.RecordPhase_RECORD_PHASE_RESOURCE_PROVISIONING
	case v1alpha1.PhasePodScheduling:
		return deploymentv1.RecordPhase_RECORD_PHASE_POD_SCHEDULING
	case v1alpha1.PhaseServiceBinding:
		return deploymentv1.RecordPhase_RECORD_PHASE_SERVICE_BINDING
	case v1alpha1.PhaseHealthChecking:
		return deploymentv1.RecordPhase_RECORD_PHASE_HEALTH_CHECKING
	case v1alpha1.PhaseReady:
		return deploymentv1.RecordPhase_RECORD_PHASE_READY
	default:
		return deploymentv1.RecordPhase_RECORD_PHASE_UNSPECIFIED
	}
}
