// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package oaasfile

import (
	"k8s.io/apimachinery/pkg/api/resource"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// The types below are the schema of the plain form. The decoder reads the oaas
// tag: the field's name in the file, then "required" or, for a list, "unique": its
// items differ in their value or, where they are structs, in their first field. A
// field keeps the zero value when the file leaves it out or sets it to null.

type packageDoc struct {
	Name         string          `oaas:"name"`
	Version      string          `oaas:"version"`
	Metadata     metadataDoc     `oaas:"metadata"`
	Classes      []classDoc      `oaas:"classes,unique"`
	Functions    []functionDoc   `oaas:"functions,unique"`
	Dependencies []string        `oaas:"dependencies,unique"`
	Disabled     bool            `oaas:"disabled"`
	Deployments  []deploymentDoc `oaas:"deployments"`
}

type metadataDoc struct {
	Author      string   `oaas:"author"`
	Description string   `oaas:"description"`
	Tags        []string `oaas:"tags,unique"`
}

type classDoc struct {
	Key              string            `oaas:"key,required"`
	Description      string            `oaas:"description"`
	Disabled         bool              `oaas:"disabled"`
	StateSpec        *stateSpecDoc     `oaas:"state_spec"`
	FunctionBindings []bindingDoc      `oaas:"function_bindings,unique"`
	Options          map[string]string `oaas:"options"`
}

type stateSpecDoc struct {
	KeySpecs                []keySpecDoc                `oaas:"key_specs,unique"`
	DefaultProvider         string                      `oaas:"default_provider"`
	ConsistencyModel        pmv1alpha1.ConsistencyModel `oaas:"consistency_model"`
	Persistent              bool                        `oaas:"persistent"`
	SerializationFormat     string                      `oaas:"serialization_format"`
	RequiresSingleton       bool                        `oaas:"requires_singleton"`
	SupportsBatchOperations bool                        `oaas:"supports_batch_operations"`
}

type keySpecDoc struct {
	Name    string `oaas:"name,required"`
	KeyType string `oaas:"key_type"`
}

type bindingDoc struct {
	Name                 string                    `oaas:"name,required"`
	FunctionKey          string                    `oaas:"function_key,required"`
	AccessModifier       pmv1alpha1.AccessModifier `oaas:"access_modifier"`
	Stateless            bool                      `oaas:"stateless"`
	Parameters           []string                  `oaas:"parameters"`
	TriggerOnStateChange bool                      `oaas:"trigger_on_state_change"`
	AsyncExecution       bool                      `oaas:"async_execution"`
}

type functionDoc struct {
	Key             string                  `oaas:"key,required"`
	FunctionType    pmv1alpha1.FunctionType `oaas:"function_type"`
	Description     string                  `oaas:"description"`
	Disabled        bool                    `oaas:"disabled"`
	ProvisionConfig *provisionDoc           `oaas:"provision_config"`
	Config          map[string]string       `oaas:"config"`
	SecretConfig    []secretDoc             `oaas:"secret_config,unique"`
}

type secretDoc struct {
	Name       string `oaas:"name,required"`
	SecretName string `oaas:"secret_name,required"`
	Key        string `oaas:"key,required"`
	Optional   bool   `oaas:"optional"`
}

type provisionDoc struct {
	ContainerImage string             `oaas:"container_image"`
	WasmModuleURL  string             `oaas:"wasm_module_url"`
	WasmFuel       int64              `oaas:"wasm_fuel"`
	Port           int32              `oaas:"port"`
	MaxConcurrency int32              `oaas:"max_concurrency"`
	NeedHTTP2      bool               `oaas:"need_http2"`
	CPURequest     *resource.Quantity `oaas:"cpu_request"`
	MemoryRequest  *resource.Quantity `oaas:"memory_request"`
	CPULimit       *resource.Quantity `oaas:"cpu_limit"`
	MemoryLimit    *resource.Quantity `oaas:"memory_limit"`
	MinScale       *int32             `oaas:"min_scale"`
	MaxScale       *int32             `oaas:"max_scale"`
	VolumeMounts   []volumeDoc        `oaas:"volume_mounts,unique"`
}

type volumeDoc struct {
	Name                  string           `oaas:"name,required"`
	MountPath             string           `oaas:"mount_path,required"`
	SubPath               string           `oaas:"sub_path"`
	ReadOnly              bool             `oaas:"read_only"`
	ConfigMap             *objectVolumeDoc `oaas:"config_map"`
	Secret                *objectVolumeDoc `oaas:"secret"`
	PersistentVolumeClaim *claimVolumeDoc  `oaas:"persistent_volume_claim"`
	EmptyDir              *emptyVolumeDoc  `oaas:"empty_dir"`
}

type objectVolumeDoc struct {
	Name     string `oaas:"name,required"`
	Optional bool   `oaas:"optional"`
}

type claimVolumeDoc struct {
	ClaimName string `oaas:"claim_name,required"`
}

type emptyVolumeDoc struct {
	Medium    pmv1alpha1.VolumeMedium `oaas:"medium"`
	SizeLimit *resource.Quantity      `oaas:"size_limit"`
}

type deploymentDoc struct {
	Key             string                    `oaas:"key,required"`
	PackageName     string                    `oaas:"package_name"`
	ClassKey        string                    `oaas:"class_key,required"`
	TargetEnvs      []string                  `oaas:"target_envs,unique"`
	TargetClusters  []string                  `oaas:"target_clusters,unique"`
	NFRRequirements nfrDoc                    `oaas:"nfr_requirements"`
	EnvTemplates    map[string]string         `oaas:"env_templates"`
	ODGM            *odgmDoc                  `oaas:"odgm"`
	Telemetry       *telemetryDoc             `oaas:"telemetry"`
	DeletionPolicy  pmv1alpha1.DeletionPolicy `oaas:"deletion_policy"`
}

type nfrDoc struct {
	MinThroughputRPS     *int64   `oaas:"min_throughput_rps"`
	MaxLatencyMs         *int64   `oaas:"max_latency_ms"`
	Availability         fraction `oaas:"availability"`
	CPUUtilizationTarget *percent `oaas:"cpu_utilization_target"`
}

type odgmDoc struct {
	Collections    []string          `oaas:"collections,unique"`
	PartitionCount *int32            `oaas:"partition_count"`
	ReplicaCount   *int32            `oaas:"replica_count"`
	ShardType      string            `oaas:"shard_type"`
	Log            string            `oaas:"log"`
	Options        map[string]string `oaas:"options"`
	ZenohMode      string            `oaas:"zenoh_mode"`
}

type telemetryDoc struct {
	Enabled            *bool             `oaas:"enabled"`
	Traces             *bool             `oaas:"traces"`
	Metrics            *bool             `oaas:"metrics"`
	Logs               *bool             `oaas:"logs"`
	SamplingRate       fraction          `oaas:"sampling_rate"`
	ServiceName        string            `oaas:"service_name"`
	ResourceAttributes map[string]string `oaas:"resource_attributes"`
}

// fraction is the source text of a decimal between 0 and 1.
type fraction string

// percent is a share in percent, 1 to 100.
type percent int32
