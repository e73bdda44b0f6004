// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// What the API server adds and takes away must not make a unit differ from its own
// record.
func TestSettingsAreUnchangedWhenTheyAreSentAgain(t *testing.T) {
	namespace := newNamespace(t, newClient(t))
	p := startProgram(t)
	for sentence, change := range map[string]func(*deploymentv1.DeploymentUnit){
		"everything": func(u *deploymentv1.DeploymentUnit) {
			u.State = &deploymentv1.ClassState{
				ConsistencyModel: deploymentv1.ConsistencyModel_CONSISTENCY_MODEL_STRONG, Persistent: true,
				RequiresSingleton: true, SupportsBatchOperations: true,
			}
			u.Bindings = []*deploymentv1.MethodBinding{
				{Name: "say", FunctionKey: "Echo.say", TriggerOnStateChange: true, AsyncExecution: true},
				{Name: "pay", FunctionKey: "logical", Stateless: true},
			}
			u.Odgm = &deploymentv1.OdgmSettings{
				Collections: []string{"b", "a"}, PartitionCount: 8, ReplicaCount: 3, ShardType: "raft", Log: "info",
				Options: map[string]string{"a": ""}, ZenohMode: "peer",
			}
			u.Telemetry = &deploymentv1.TelemetrySettings{
				Enabled: new(true), Traces: new(false), Metrics: new(true), Logs: new(false), SamplingRate: "0.25",
				ServiceName: "echo", ResourceAttributes: map[string]string{"team": "a"},
			}
			u.Enforcement = &deploymentv1.EnforcementSettings{
				Mode: deploymentv1.EnforcementMode_ENFORCEMENT_MODE_OBSERVE, Dimensions: []string{"latency", "cpu"},
			}
			u.DeletionPolicy = deploymentv1.DeletionPolicy_DELETION_POLICY_RETAIN
			f := u.GetFunctionContainers()[0]
			f.SecretEnv = []*deploymentv1.SecretVariable{{Name: "DB", SecretName: "db", Key: "url"}, {Name: "T", SecretName: "t", Key: "t", Optional: true}}
			f.OdgmIntegration = &deploymentv1.OdgmIntegration{
				Collections: []string{"a"}, AccessMode: "ReadOnly", CachingStrategy: "None",
				EventTriggers: []*deploymentv1.EventTrigger{{Binding: "say", Collections: []string{"a"}, AsyncExecution: true}},
			}
			f.VolumeMounts = []*deploymentv1.VolumeMount{
				{Name: "scratch", MountPath: "/tmp/", Source: &deploymentv1.VolumeMount_EmptyDir{EmptyDir: &deploymentv1.EmptyVolume{}}},
				{Name: "cache", MountPath: "/cache", Source: &deploymentv1.VolumeMount_EmptyDir{EmptyDir: &deploymentv1.EmptyVolume{Medium: "Memory", SizeLimit: "1024Mi"}}},
				{Name: "models", MountPath: "/models", SubPath: ".v1//eu/", ReadOnly: true, Source: &deploymentv1.VolumeMount_PersistentVolumeClaim{
					PersistentVolumeClaim: &deploymentv1.ClaimVolume{ClaimName: "models"},
				}},
				{Name: "keys", MountPath: "/keys", Source: &deploymentv1.VolumeMount_Secret{Secret: &deploymentv1.ObjectVolume{Name: "keys", Optional: true}}},
				{Name: "config", MountPath: "/config", SubPath: ".", Source: &deploymentv1.VolumeMount_ConfigMap{ConfigMap: &deploymentv1.ObjectVolume{Name: "config"}}},
			}
		},
		"settings that say nothing": func(u *deploymentv1.DeploymentUnit) {
			u.State, u.Odgm, u.Telemetry = &deploymentv1.ClassState{}, &deploymentv1.OdgmSettings{}, &deploymentv1.TelemetrySettings{}
			u.Enforcement = &deploymentv1.EnforcementSettings{}
			u.GetFunctionContainers()[0].OdgmIntegration = &deploymentv1.OdgmIntegration{}
		},
		"settings of which little is said": func(u *deploymentv1.DeploymentUnit) {
			u.Telemetry = &deploymentv1.TelemetrySettings{Enabled: new(false)}
			u.Enforcement = &deploymentv1.EnforcementSettings{Dimensions: []string{"cpu"}}
			u.Bindings = []*deploymentv1.MethodBinding{{Name: "say", FunctionKey: "Echo.say"}}
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			unit := newUnit(namespace, change, func(u *deploymentv1.DeploymentUnit) {
				u.Id = namespace + "-" + sentence[:1] + sentence[len(sentence)-1:]
			})
			unit.ClassDeployment = unit.GetId()
			first := p.deploy(t, unit)
			if first.GetOutcome() != deploymentv1.DeployOutcome_DEPLOY_OUTCOME_CREATED {
				t.Errorf("the first outcome is %v, want CREATED", first.GetOutcome())
			}
			for range 2 {
				again := p.deploy(t, unit)
				if again.GetOutcome() != deploymentv1.DeployOutcome_DEPLOY_OUTCOME_UNCHANGED {
					t.Errorf("sent again, the outcome is %v, want UNCHANGED", again.GetOutcome())
				}
				if diff := cmp.Diff(first.GetRecord().GetUnit(), again.GetRecord().GetUnit(), protocmp.Transform()); diff != "" {
					t.Errorf("the record's unit changed:\n%s", diff)
				}
			}
			// What the record holds is what was sent, so sending that changes nothing either.
			if back := p.deploy(t, first.GetRecord().GetUnit()); back.GetOutcome() != deploymentv1.DeployOutcome_DEPLOY_OUTCOME_UNCHANGED {
				t.Errorf("sent as the record has it, the outcome is %v, want UNCHANGED", back.GetOutcome())
			}
		})
	}
}

func TestRequirementsAreSaidNotToBeMeasured(t *testing.T) {
	c := newClient(t)
	namespace := newNamespace(t, c)
	p := startProgram(t)
	unit := newUnit(namespace, func(u *deploymentv1.DeploymentUnit) {
		u.NfrRequirements = &deploymentv1.NfrRequirements{MaxLatencyMs: new(int64(50))}
	})
	p.deploy(t, unit)
	record := p.waitFor(t, unit.GetId(), "the unit runs", running)
	if got := conditionOf(record, v1alpha1.ConditionNFRCompliant); got.GetStatus() != "Unknown" || got.GetReason() != "NotMeasured" {
		t.Errorf("with requirements, NFRCompliant is %v, want Unknown and NotMeasured", got)
	}
	if eventOf(t.Context(), c, unit, "NotMeasured") == nil {
		t.Error("what is always so became an event")
	}

	unit.NfrRequirements = nil
	p.deploy(t, unit)
	p.waitFor(t, unit.GetId(), "without requirements, nothing is said of them", func(r *deploymentv1.DeploymentRecord) bool {
		return running(r) && conditionOf(r, v1alpha1.ConditionNFRCompliant) == nil
	})
}
