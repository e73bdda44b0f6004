// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package planner_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

func TestSettingsReachTheUnit(t *testing.T) {
	class := func(change func(*pmv1alpha1.ClassDefinition)) packageOption {
		return func(p *pmv1alpha1.Package) { change(&p.Spec.Classes[0]) }
	}
	spec := func(change func(*pmv1alpha1.ClassDeploymentSpec)) deploymentOption {
		return func(d *pmv1alpha1.ClassDeployment) { change(&d.Spec) }
	}
	for sentence, test := range map[string]struct {
		deployment deploymentOption
		pkg        packageOption
		want       *deploymentv1.DeploymentUnit
	}{
		"a class without state has none": {
			pkg:  class(func(c *pmv1alpha1.ClassDefinition) { c.Options = map[string]string{"a": "b"} }),
			want: &deploymentv1.DeploymentUnit{},
		},
		"state without a promise is state": {
			pkg: class(func(c *pmv1alpha1.ClassDefinition) {
				c.StateSpec = &pmv1alpha1.StateSpec{ConsistencyModel: pmv1alpha1.ConsistencyNone}
			}),
			want: &deploymentv1.DeploymentUnit{State: &deploymentv1.ClassState{}},
		},
		"all of the state is sent": {
			pkg: class(func(c *pmv1alpha1.ClassDefinition) {
				c.StateSpec = &pmv1alpha1.StateSpec{
					ConsistencyModel: pmv1alpha1.ConsistencyStrong, Persistent: true, RequiresSingleton: true, SupportsBatchOperations: true,
				}
			}),
			want: &deploymentv1.DeploymentUnit{State: &deploymentv1.ClassState{
				ConsistencyModel: deploymentv1.ConsistencyModel_CONSISTENCY_MODEL_STRONG,
				Persistent:       true, RequiresSingleton: true, SupportsBatchOperations: true,
			}},
		},
		"options of a class are options of its collections": {
			pkg: class(func(c *pmv1alpha1.ClassDefinition) {
				c.StateSpec, c.Options = &pmv1alpha1.StateSpec{}, map[string]string{"a": "b"}
			}),
			want: &deploymentv1.DeploymentUnit{
				State: &deploymentv1.ClassState{}, Odgm: &deploymentv1.OdgmSettings{Options: map[string]string{"a": "b"}},
			},
		},
		"options of the deployment win": {
			pkg: class(func(c *pmv1alpha1.ClassDefinition) {
				c.StateSpec, c.Options = &pmv1alpha1.StateSpec{}, map[string]string{"a": "class", "b": "class"}
			}),
			deployment: spec(func(s *pmv1alpha1.ClassDeploymentSpec) {
				s.ODGM = &pmv1alpha1.ODGMSpec{Options: map[string]string{"a": "deployment"}}
			}),
			want: &deploymentv1.DeploymentUnit{
				State: &deploymentv1.ClassState{}, Odgm: &deploymentv1.OdgmSettings{Options: map[string]string{"a": "deployment", "b": "class"}},
			},
		},
		"all settings of the data grid are sent": {
			deployment: spec(func(s *pmv1alpha1.ClassDeploymentSpec) {
				s.ODGM = &pmv1alpha1.ODGMSpec{
					Collections: []string{"carts"}, PartitionCount: ptr.To[int32](8), ReplicaCount: ptr.To[int32](3),
					ShardType: "raft", Log: "info", ZenohMode: "peer",
				}
			}),
			want: &deploymentv1.DeploymentUnit{Odgm: &deploymentv1.OdgmSettings{
				Collections: []string{"carts"}, PartitionCount: 8, ReplicaCount: 3, ShardType: "raft", Log: "info", ZenohMode: "peer",
			}},
		},
		"all settings of telemetry are sent": {
			deployment: spec(func(s *pmv1alpha1.ClassDeploymentSpec) {
				s.Telemetry = &pmv1alpha1.TelemetrySpec{
					Enabled: new(true), Traces: new(true), Metrics: new(false), Logs: new(false), SamplingRate: "0.1",
					ServiceName: "carts", ResourceAttributes: map[string]string{"team": "shop"},
				}
			}),
			want: &deploymentv1.DeploymentUnit{Telemetry: &deploymentv1.TelemetrySettings{
				Enabled: new(true), Traces: new(true), Metrics: new(false), Logs: new(false), SamplingRate: "0.1",
				ServiceName: "carts", ResourceAttributes: map[string]string{"team": "shop"},
			}},
		},
		"how requirements are kept is sent": {
			deployment: spec(func(s *pmv1alpha1.ClassDeploymentSpec) {
				s.Enforcement = &pmv1alpha1.Enforcement{Mode: pmv1alpha1.EnforcementBasic, Dimensions: []string{"cpu", "latency"}}
			}),
			want: &deploymentv1.DeploymentUnit{Enforcement: &deploymentv1.EnforcementSettings{
				Mode: deploymentv1.EnforcementMode_ENFORCEMENT_MODE_BASIC, Dimensions: []string{"cpu", "latency"},
			}},
		},
		"data that is to stay stays": {
			deployment: spec(func(s *pmv1alpha1.ClassDeploymentSpec) { s.DeletionPolicy = pmv1alpha1.DeletionRetain }),
			want:       &deploymentv1.DeploymentUnit{DeletionPolicy: deploymentv1.DeletionPolicy_DELETION_POLICY_RETAIN},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			d, p := deployment(), store()
			if test.deployment != nil {
				test.deployment(d)
			}
			if test.pkg != nil {
				test.pkg(p)
			}
			unit := plannedUnit(t, d, p)
			got := &deploymentv1.DeploymentUnit{
				State: unit.GetState(), Odgm: unit.GetOdgm(), Telemetry: unit.GetTelemetry(), Enforcement: unit.GetEnforcement(),
				DeletionPolicy: unit.GetDeletionPolicy(),
			}
			if test.want.GetDeletionPolicy() == deploymentv1.DeletionPolicy_DELETION_POLICY_UNSPECIFIED {
				test.want.DeletionPolicy = deploymentv1.DeletionPolicy_DELETION_POLICY_DELETE
			}
			if diff := cmp.Diff(test.want, got, protocmp.Transform()); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBindingsCarryHowTheyAreCalled(t *testing.T) {
	pkg := store(func(p *pmv1alpha1.Package) {
		p.Spec.Classes[0].FunctionBindings = []pmv1alpha1.FunctionBinding{
			{Name: "watch", FunctionKey: "items", TriggerOnStateChange: true, AsyncExecution: true},
			{Name: "quote", FunctionKey: "pricing", Stateless: true},
		}
	})
	want := []*deploymentv1.MethodBinding{
		{Name: "quote", FunctionKey: "pricing", Stateless: true},
		{Name: "watch", FunctionKey: "items", TriggerOnStateChange: true, AsyncExecution: true},
	}
	if diff := cmp.Diff(want, plannedUnit(t, deployment(), pkg).GetBindings(), protocmp.Transform()); diff != "" {
		t.Errorf("bindings (-want +got):\n%s", diff)
	}
}

func TestVolumesAreReferencesInTheOrderOfTheirNames(t *testing.T) {
	pkg := store(func(p *pmv1alpha1.Package) {
		p.Spec.Functions[0].Provision.VolumeMounts = []pmv1alpha1.VolumeMount{
			{Name: "scratch", MountPath: "/tmp", EmptyDir: &pmv1alpha1.EmptyVolume{Medium: pmv1alpha1.VolumeMediumMemory, SizeLimit: new(resource.MustParse("64Mi"))}},
			{Name: "models", MountPath: "/models", ReadOnly: true, PersistentVolumeClaim: &pmv1alpha1.ClaimVolume{ClaimName: "models"}},
			{Name: "keys", MountPath: "/keys", Secret: &pmv1alpha1.ObjectVolume{Name: "keys"}},
			{Name: "config", MountPath: "/etc/app.yaml", SubPath: "app.yaml", ConfigMap: &pmv1alpha1.ObjectVolume{Name: "app", Optional: true}},
		}
	})
	want := []*deploymentv1.VolumeMount{
		{Name: "config", MountPath: "/etc/app.yaml", SubPath: "app.yaml", Source: &deploymentv1.VolumeMount_ConfigMap{ConfigMap: &deploymentv1.ObjectVolume{Name: "app", Optional: true}}},
		{Name: "keys", MountPath: "/keys", Source: &deploymentv1.VolumeMount_Secret{Secret: &deploymentv1.ObjectVolume{Name: "keys"}}},
		{Name: "models", MountPath: "/models", ReadOnly: true, Source: &deploymentv1.VolumeMount_PersistentVolumeClaim{PersistentVolumeClaim: &deploymentv1.ClaimVolume{ClaimName: "models"}}},
		{Name: "scratch", MountPath: "/tmp", Source: &deploymentv1.VolumeMount_EmptyDir{EmptyDir: &deploymentv1.EmptyVolume{Medium: "Memory", SizeLimit: "64Mi"}}},
	}
	if diff := cmp.Diff(want, plannedUnit(t, deployment(), pkg).GetFunctionContainers()[0].GetVolumeMounts(), protocmp.Transform()); diff != "" {
		t.Errorf("volumes (-want +got):\n%s", diff)
	}
}

func TestSecretsAreReferencesInTheOrderOfTheirNames(t *testing.T) {
	pkg := store(func(p *pmv1alpha1.Package) {
		p.Spec.Functions[0].SecretConfig = []pmv1alpha1.SecretVariable{
			{Name: "TOKEN", SecretName: "api", Key: "token", Optional: true},
			{Name: "DB_URL", SecretName: "db", Key: "url"},
		}
	})
	want := []*deploymentv1.SecretVariable{
		{Name: "DB_URL", SecretName: "db", Key: "url"},
		{Name: "TOKEN", SecretName: "api", Key: "token", Optional: true},
	}
	if diff := cmp.Diff(want, plannedUnit(t, deployment(), pkg).GetFunctionContainers()[0].GetSecretEnv(), protocmp.Transform()); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
}
