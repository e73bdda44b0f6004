// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/internal/prototest"
)

// fullUnit has every setting of a unit.
func fullUnit() *deploymentv1.DeploymentUnit {
	return &deploymentv1.DeploymentUnit{
		Id: "cart-1", Namespace: "shop", ClassDeployment: "cart", PackageName: "store", PackageVersion: "1.0",
		ClassKey: "Cart", Environment: "prod", Template: "statefulset", Hash: "abc",
		NfrRequirements: &deploymentv1.NfrRequirements{
			MinThroughputRps: new(int64(100)), MaxLatencyMs: new(int64(20)), Availability: "0.99", CpuUtilizationTarget: new(int32(70)),
		},
		ResourceAllocation: &deploymentv1.ResourceAllocation{ReplicationFactor: 2, MinReplicas: 2, MaxReplicas: 4},
		FunctionContainers: []*deploymentv1.FunctionContainer{{
			FunctionKey: "items", Image: "r/items:1", Port: 9000, NeedHttp2: true, MaxConcurrency: 10,
			ResourceRequests: map[string]string{"cpu": "100m"}, ResourceLimits: map[string]string{"memory": "64Mi"},
			Env: map[string]string{"A": "1"}, MinReplicas: new(int32(1)), MaxReplicas: new(int32(3)),
			HealthCheck: &deploymentv1.HealthCheck{
				Startup:   &deploymentv1.HttpProbe{Path: "/start", InitialDelaySeconds: 1, PeriodSeconds: 2, TimeoutSeconds: 3, FailureThreshold: 4},
				Readiness: &deploymentv1.HttpProbe{Path: "/ready", InitialDelaySeconds: 5, PeriodSeconds: 6, TimeoutSeconds: 7, FailureThreshold: 8},
				Liveness:  &deploymentv1.HttpProbe{Path: "/live", InitialDelaySeconds: 9, PeriodSeconds: 10, TimeoutSeconds: 11, FailureThreshold: 12},
			},
			SecretEnv: []*deploymentv1.SecretVariable{
				{Name: "DB_URL", SecretName: "db", Key: "url"},
				{Name: "TOKEN", SecretName: "api.keys", Key: "token", Optional: true},
			},
			OdgmIntegration: &deploymentv1.OdgmIntegration{
				Collections: []string{"carts"}, AccessMode: "ReadOnly", CachingStrategy: "ReadThrough",
				EventTriggers: []*deploymentv1.EventTrigger{{Binding: "sum", Collections: []string{"carts"}, AsyncExecution: true}},
			},
			VolumeMounts: []*deploymentv1.VolumeMount{
				{
					Name: "config", MountPath: "/etc/app.yaml", SubPath: "app.yaml", ReadOnly: true,
					Source: &deploymentv1.VolumeMount_ConfigMap{ConfigMap: &deploymentv1.ObjectVolume{Name: "app", Optional: true}},
				},
				{Name: "keys", MountPath: "/keys", Source: &deploymentv1.VolumeMount_Secret{Secret: &deploymentv1.ObjectVolume{Name: "keys"}}},
				{Name: "models", MountPath: "/models", Source: &deploymentv1.VolumeMount_PersistentVolumeClaim{PersistentVolumeClaim: &deploymentv1.ClaimVolume{ClaimName: "models"}}},
				{Name: "scratch", MountPath: "/tmp", Source: &deploymentv1.VolumeMount_EmptyDir{EmptyDir: &deploymentv1.EmptyVolume{Medium: "Memory", SizeLimit: "64Mi"}}},
			},
		}},
		State: &deploymentv1.ClassState{
			ConsistencyModel: deploymentv1.ConsistencyModel_CONSISTENCY_MODEL_STRONG,
			Persistent:       true, RequiresSingleton: true, SupportsBatchOperations: true,
		},
		Bindings: []*deploymentv1.MethodBinding{
			{Name: "add", FunctionKey: "items", TriggerOnStateChange: true, AsyncExecution: true},
			{Name: "pay", FunctionKey: "logical", Stateless: true},
			{Name: "sum", FunctionKey: "items"},
		},
		Odgm: &deploymentv1.OdgmSettings{
			Collections: []string{"carts", "audit"}, PartitionCount: 8, ReplicaCount: 3, ShardType: "raft", Log: "info",
			Options: map[string]string{"a": "b"}, ZenohMode: "peer",
		},
		Telemetry: &deploymentv1.TelemetrySettings{
			Enabled: new(true), Traces: new(true), Metrics: new(false), Logs: new(false), SamplingRate: "0.25",
			ServiceName: "carts", ResourceAttributes: map[string]string{"service.namespace": "shop"},
		},
		Enforcement: &deploymentv1.EnforcementSettings{
			Mode: deploymentv1.EnforcementMode_ENFORCEMENT_MODE_BASIC, Dimensions: []string{"cpu", "latency"},
		},
		DeletionPolicy: deploymentv1.DeletionPolicy_DELETION_POLICY_RETAIN,
	}
}

func TestAUnitComesBackAsItWasSent(t *testing.T) {
	unit := fullUnit()
	if problems := validateUnit(unit); len(problems) > 0 {
		t.Fatal(problems.ToAggregate())
	}
	if missing := prototest.Unset(unit); len(missing) > 0 {
		t.Errorf("the example lacks %s: whether they come back is not tested", strings.Join(missing, ", "))
	}
	spec := specOf(unit)
	if diff := cmp.Diff(unit, unitOf(&spec), protocmp.Transform()); diff != "" {
		t.Errorf("unit (-sent +returned):\n%s", diff)
	}
}

func TestWhatIsNewerIsNamed(t *testing.T) {
	unit := fullUnit()
	var fields []byte
	for number := range protowire.Number(20) {
		fields = protowire.AppendVarint(protowire.AppendTag(fields, 99+number, protowire.VarintType), 1)
	}
	unit.FunctionContainers[0].HealthCheck.Liveness.ProtoReflect().SetUnknown(fields)
	problems := validateUnit(unit)
	if len(problems) != 1 {
		t.Fatalf("%d problems, want one: %v", len(problems), problems.ToAggregate())
	}
	for _, want := range []string{"unit.function_containers[0].health_check.liveness", "99, 100, 101", "upgrade the Class Runtime Manager"} {
		if !strings.Contains(problems[0].Error(), want) {
			t.Errorf("%q does not say %q", problems[0], want)
		}
	}
}

// A record loses what says nothing when it is applied, and gets the defaults of its
// definition. Both must be in the spec that Deploy compares with.
func TestSettingsThatSayNothingAreAbsent(t *testing.T) {
	unit := fullUnit()
	unit.State = &deploymentv1.ClassState{}
	unit.Odgm = &deploymentv1.OdgmSettings{Options: map[string]string{}}
	unit.Telemetry = &deploymentv1.TelemetrySettings{}
	unit.Enforcement = &deploymentv1.EnforcementSettings{}
	unit.DeletionPolicy = deploymentv1.DeletionPolicy_DELETION_POLICY_UNSPECIFIED
	unit.FunctionContainers[0].OdgmIntegration = &deploymentv1.OdgmIntegration{}
	spec := specOf(unit)
	if spec.ODGMConfig != nil || spec.Telemetry != nil || spec.Enforcement != nil || spec.FunctionContainers[0].ODGMIntegration != nil {
		t.Errorf("spec has settings that say nothing: %+v", spec)
	}
	if diff := cmp.Diff(&v1alpha1.ClassState{ConsistencyModel: v1alpha1.ConsistencyNone}, spec.State); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	if spec.DeletionPolicy != v1alpha1.DeletionDelete {
		t.Errorf("deletion policy = %q, want that of the definition", spec.DeletionPolicy)
	}
}

func TestValidateSettings(t *testing.T) {
	const (
		required    = string(field.ErrorTypeRequired) + " unit."
		invalid     = string(field.ErrorTypeInvalid) + " unit."
		duplicate   = string(field.ErrorTypeDuplicate) + " unit."
		unsupported = string(field.ErrorTypeNotSupported) + " unit."
		tooLong     = string(field.ErrorTypeTooLong) + " unit."
		tooMany     = string(field.ErrorTypeTooMany) + " unit."
		function    = "function_containers[0]."
	)
	for sentence, test := range map[string]struct {
		change func(*deploymentv1.DeploymentUnit)
		want   []string
	}{
		"a unit with everything is accepted": {change: func(*deploymentv1.DeploymentUnit) {}},
		"a field of a newer sender is refused": {
			func(u *deploymentv1.DeploymentUnit) {
				u.FunctionContainers[0].HealthCheck.Liveness.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1))
			}, []string{invalid + function + "health_check.liveness"},
		},
		"a promise of a newer sender is refused": {
			func(u *deploymentv1.DeploymentUnit) { u.State.ConsistencyModel = 9 }, []string{unsupported + "state.consistency_model"},
		},
		"an environment that no configuration can be of is refused": {
			func(u *deploymentv1.DeploymentUnit) { u.Environment = "a/b" }, []string{invalid + "environment"},
		},
		"two methods with one name are refused": {
			func(u *deploymentv1.DeploymentUnit) { u.Bindings[1].Name = "add" }, []string{duplicate + "bindings[1].name"},
		},
		"a method needs a name and a function": {
			func(u *deploymentv1.DeploymentUnit) { u.Bindings[0] = &deploymentv1.MethodBinding{} },
			[]string{required + "bindings[0].name", required + "bindings[0].function_key"},
		},
		"a key of 265 characters is refused": {
			func(u *deploymentv1.DeploymentUnit) { u.Bindings[0].FunctionKey = strings.Repeat("k", 265) }, []string{tooLong + "bindings[0].function_key"},
		},
		"too many methods are refused": {
			func(u *deploymentv1.DeploymentUnit) {
				u.Bindings, u.FunctionContainers[0].OdgmIntegration = make([]*deploymentv1.MethodBinding, 1025), nil
			}, []string{tooMany + "bindings"},
		},
		"the same collection twice is refused": {
			func(u *deploymentv1.DeploymentUnit) { u.Odgm.Collections[1] = "carts" }, []string{duplicate + "odgm.collections[1]"},
		},
		"a collection needs a name": {
			func(u *deploymentv1.DeploymentUnit) { u.Odgm.Collections[1] = "" }, []string{required + "odgm.collections[1]"},
		},
		"negative partitions are refused": {
			func(u *deploymentv1.DeploymentUnit) { u.Odgm.PartitionCount = -1 }, []string{invalid + "odgm.partition_count"},
		},
		"more partitions than fit are refused": {
			func(u *deploymentv1.DeploymentUnit) { u.Odgm.PartitionCount = 65537 }, []string{invalid + "odgm.partition_count"},
		},
		"more copies than make sense are refused": {
			func(u *deploymentv1.DeploymentUnit) { u.Odgm.ReplicaCount = 65 }, []string{invalid + "odgm.replica_count"},
		},
		"an unknown shard type is refused": {
			func(u *deploymentv1.DeploymentUnit) { u.Odgm.ShardType = "paxos" }, []string{unsupported + "odgm.shard_type"},
		},
		"an unknown network mode is refused": {
			func(u *deploymentv1.DeploymentUnit) { u.Odgm.ZenohMode = "mesh" }, []string{unsupported + "odgm.zenoh_mode"},
		},
		"an endless log filter is refused": {
			func(u *deploymentv1.DeploymentUnit) { u.Odgm.Log = strings.Repeat("x", 4097) }, []string{tooLong + "odgm.log"},
		},
		"an option needs a name": {
			func(u *deploymentv1.DeploymentUnit) { u.Odgm.Options[""] = "x" }, []string{required + "odgm.options[]"},
		},
		"a sampling rate in percent is refused": {
			func(u *deploymentv1.DeploymentUnit) { u.Telemetry.SamplingRate = "10%" }, []string{invalid + "telemetry.sampling_rate"},
		},
		"a sampling rate above 1 is refused": {
			func(u *deploymentv1.DeploymentUnit) { u.Telemetry.SamplingRate = "1.1" }, []string{invalid + "telemetry.sampling_rate"},
		},
		"an endless service name is refused": {
			func(u *deploymentv1.DeploymentUnit) { u.Telemetry.ServiceName = strings.Repeat("x", 201) }, []string{tooLong + "telemetry.service_name"},
		},
		"an attribute that would be two is refused": {
			func(u *deploymentv1.DeploymentUnit) { u.Telemetry.ResourceAttributes["a,b"] = "" }, []string{invalid + "telemetry.resource_attributes[a,b]"},
		},
		"a mode of a newer sender is refused": {
			func(u *deploymentv1.DeploymentUnit) { u.Enforcement.Mode = 99 }, []string{unsupported + "enforcement.mode"},
		},
		"an unknown dimension is refused": {
			func(u *deploymentv1.DeploymentUnit) { u.Enforcement.Dimensions[0] = "memory" }, []string{unsupported + "enforcement.dimensions[0]"},
		},
		"the same dimension twice is refused": {
			func(u *deploymentv1.DeploymentUnit) { u.Enforcement.Dimensions[0] = "latency" }, []string{duplicate + "enforcement.dimensions[1]"},
		},
		"a deletion policy of a newer sender is refused": {
			func(u *deploymentv1.DeploymentUnit) { u.DeletionPolicy = 3 }, []string{unsupported + "deletion_policy"},
		},
		"a variable from a Secret has the name of a variable": {
			func(u *deploymentv1.DeploymentUnit) { u.FunctionContainers[0].SecretEnv[0].Name = "a=b" }, []string{invalid + function + "secret_env[0].name"},
		},
		"two variables with one name are refused": {
			func(u *deploymentv1.DeploymentUnit) { u.FunctionContainers[0].SecretEnv[1].Name = "DB_URL" },
			[]string{duplicate + function + "secret_env[1].name"},
		},
		"a variable has one value": {
			func(u *deploymentv1.DeploymentUnit) { u.FunctionContainers[0].SecretEnv[0].Name = "A" }, []string{invalid + function + "secret_env[0].name"},
		},
		"a Secret has the name of an object": {
			func(u *deploymentv1.DeploymentUnit) { u.FunctionContainers[0].SecretEnv[0].SecretName = "../db" },
			[]string{invalid + function + "secret_env[0].secret_name"},
		},
		"a key is one that a Secret can have": {
			func(u *deploymentv1.DeploymentUnit) { u.FunctionContainers[0].SecretEnv[0].Key = "a/b" }, []string{invalid + function + "secret_env[0].key"},
		},
		"a function uses collections that are there": {
			func(u *deploymentv1.DeploymentUnit) {
				u.FunctionContainers[0].OdgmIntegration.Collections = []string{"orders"}
				u.FunctionContainers[0].OdgmIntegration.EventTriggers = nil
			}, []string{invalid + function + "odgm_integration.collections[0]"},
		},
		"a function may name a collection where the class names none": {
			change: func(u *deploymentv1.DeploymentUnit) { u.Odgm = nil },
		},
		"a trigger calls a method of the function": {
			func(u *deploymentv1.DeploymentUnit) {
				u.FunctionContainers[0].OdgmIntegration.EventTriggers = []*deploymentv1.EventTrigger{{Binding: "pay"}, {}}
			}, []string{invalid + function + "odgm_integration.event_triggers[0].binding", required + function + "odgm_integration.event_triggers[1].binding"},
		},
		"a method has one trigger": {
			func(u *deploymentv1.DeploymentUnit) {
				u.FunctionContainers[0].OdgmIntegration.EventTriggers = []*deploymentv1.EventTrigger{{Binding: "add"}, {Binding: "add"}}
			}, []string{duplicate + function + "odgm_integration.event_triggers[1].binding"},
		},
		"a trigger is of collections that the function uses": {
			func(u *deploymentv1.DeploymentUnit) {
				u.FunctionContainers[0].OdgmIntegration.EventTriggers[0].Collections = []string{"audit"}
			}, []string{invalid + function + "odgm_integration.event_triggers[0].collections[0]"},
		},
		"more collections of triggers than a record can hold are refused": {
			func(u *deploymentv1.DeploymentUnit) {
				u.FunctionContainers[0].OdgmIntegration.EventTriggers[0].Collections = make([]string, 4097)
			}, []string{invalid + "function_containers"},
		},
		"more triggers than methods can be are refused": {
			func(u *deploymentv1.DeploymentUnit) {
				u.FunctionContainers[0].OdgmIntegration.EventTriggers = make([]*deploymentv1.EventTrigger, 1025)
			}, []string{invalid + "function_containers"},
		},
		"a volume needs a name, a place and a source": {
			func(u *deploymentv1.DeploymentUnit) {
				u.FunctionContainers[0].VolumeMounts = []*deploymentv1.VolumeMount{{}}
			}, []string{required + function + "volume_mounts[0]", required + function + "volume_mounts[0].mount_path", required + function + "volume_mounts[0].name"},
		},
		"a volume's name leaves room for a prefix": {
			func(u *deploymentv1.DeploymentUnit) {
				u.FunctionContainers[0].VolumeMounts[0].Name = strings.Repeat("a", 51)
			},
			[]string{tooLong + function + "volume_mounts[0].name"},
		},
		"two volumes with one name are refused": {
			func(u *deploymentv1.DeploymentUnit) { u.FunctionContainers[0].VolumeMounts[1].Name = "config" },
			[]string{duplicate + function + "volume_mounts[1].name"},
		},
		"two volumes in one place are refused": {
			func(u *deploymentv1.DeploymentUnit) { u.FunctionContainers[0].VolumeMounts[2].MountPath = "/keys/" },
			[]string{duplicate + function + "volume_mounts[2].mount_path"},
		},
		"a volume is mounted at an absolute path": {
			func(u *deploymentv1.DeploymentUnit) { u.FunctionContainers[0].VolumeMounts[1].MountPath = "keys" },
			[]string{invalid + function + "volume_mounts[1].mount_path"},
		},
		"a path has no control characters": {
			func(u *deploymentv1.DeploymentUnit) {
				u.FunctionContainers[0].VolumeMounts[0].SubPath = "a\x00b"
				u.FunctionContainers[0].VolumeMounts[1].MountPath = "/keys\n"
			}, []string{invalid + function + "volume_mounts[0].sub_path", invalid + function + "volume_mounts[1].mount_path"},
		},
		"a volume does not hide the image": {
			func(u *deploymentv1.DeploymentUnit) { u.FunctionContainers[0].VolumeMounts[1].MountPath = "/./" },
			[]string{invalid + function + "volume_mounts[1].mount_path"},
		},
		"a part of a volume does not lead out of it": {
			func(u *deploymentv1.DeploymentUnit) { u.FunctionContainers[0].VolumeMounts[0].SubPath = "a/../../b" },
			[]string{invalid + function + "volume_mounts[0].sub_path"},
		},
		"a volume's object has the name of one": {
			func(u *deploymentv1.DeploymentUnit) {
				u.FunctionContainers[0].VolumeMounts[0].GetConfigMap().Name = "../a"
				u.FunctionContainers[0].VolumeMounts[1].GetSecret().Name = ""
				u.FunctionContainers[0].VolumeMounts[2].GetPersistentVolumeClaim().ClaimName = "A"
			}, []string{
				invalid + function + "volume_mounts[0].config_map.name", invalid + function + "volume_mounts[1].secret.name",
				invalid + function + "volume_mounts[2].persistent_volume_claim.claim_name",
			},
		},
		"a folder is on disk or in memory, and of a size": {
			func(u *deploymentv1.DeploymentUnit) {
				u.FunctionContainers[0].VolumeMounts[3].GetEmptyDir().Medium = "Tape"
				u.FunctionContainers[0].VolumeMounts[3].GetEmptyDir().SizeLimit = "much"
			}, []string{unsupported + function + "volume_mounts[3].empty_dir.medium", invalid + function + "volume_mounts[3].empty_dir.size_limit"},
		},
		"more volumes than a function can have are refused": {
			func(u *deploymentv1.DeploymentUnit) {
				u.FunctionContainers[0].VolumeMounts = make([]*deploymentv1.VolumeMount, 65)
			}, []string{tooMany + function + "volume_mounts"},
		},
		"more volumes than a record can have are refused": {
			func(u *deploymentv1.DeploymentUnit) {
				for range 8 {
					u.FunctionContainers = append(u.FunctionContainers, &deploymentv1.FunctionContainer{VolumeMounts: make([]*deploymentv1.VolumeMount, 64)})
				}
			}, []string{invalid + "function_containers"},
		},
		"an unknown access mode is refused": {
			func(u *deploymentv1.DeploymentUnit) { u.FunctionContainers[0].OdgmIntegration.AccessMode = "All" },
			[]string{unsupported + function + "odgm_integration.access_mode"},
		},
		"an unknown caching strategy is refused": {
			func(u *deploymentv1.DeploymentUnit) { u.FunctionContainers[0].OdgmIntegration.CachingStrategy = "LRU" },
			[]string{unsupported + function + "odgm_integration.caching_strategy"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			unit := fullUnit()
			test.change(unit)
			problems := validateUnit(unit)
			var got []string
			for _, problem := range problems {
				got = append(got, string(problem.Type)+" "+problem.Field)
			}
			slices.Sort(got)
			slices.Sort(test.want)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s\nin full: %v", diff, problems.ToAggregate())
			}
		})
	}
}

func TestStatusTellsOfTemplateAndDataGrid(t *testing.T) {
	record := &v1alpha1.DeploymentRecord{Status: v1alpha1.DeploymentRecordStatus{
		SelectedTemplate: "statefulset",
		TemplateSelection: &v1alpha1.TemplateSelection{Candidates: []v1alpha1.TemplateCandidate{
			{Template: "statefulset", Eligible: true, Score: 7, Reasons: []string{"keeps state"}},
			{Template: "knative", Reasons: []string{"is not served here"}},
		}},
		ODGMClusterStatus: &v1alpha1.ODGMClusterStatus{Nodes: 3, ReadyNodes: 2, Endpoint: "grid:8080", Message: "one node is away"},
	}}
	want := &deploymentv1.DeploymentStatus{
		Condition: deploymentv1.RecordCondition_RECORD_CONDITION_PENDING, Current: true, SelectedTemplate: "statefulset",
		TemplateSelection: &deploymentv1.TemplateSelection{Candidates: []*deploymentv1.TemplateCandidate{
			{Template: "statefulset", Eligible: true, Score: 7, Reasons: []string{"keeps state"}},
			{Template: "knative", Reasons: []string{"is not served here"}},
		}},
		Odgm: &deploymentv1.OdgmStatus{Nodes: 3, ReadyNodes: 2, Endpoint: "grid:8080", Message: "one node is away"},
	}
	if diff := cmp.Diff(want, deploymentStatusOf(record), protocmp.Transform()); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

// fullSeed is a unit with everything, for fuzzing.
func fullSeed(f *testing.F) []byte {
	f.Helper()
	encoded, err := proto.Marshal(fullUnit())
	if err != nil {
		f.Fatal(err)
	}
	return encoded
}
