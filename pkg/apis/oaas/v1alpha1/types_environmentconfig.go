// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// EnvironmentConfig bounds and completes what runs in one environment of the
// cluster. Its name is the environment's, so that no environment has two. An
// environment without one has the defaults of the program's profile.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=environmentconfigs,singular=environmentconfig,shortName=envcfg,categories=oaas-crm,scope=Cluster
// +kubebuilder:printcolumn:name="Deployments",type=integer,JSONPath=`.status.used.deployments`
// +kubebuilder:printcolumn:name="Max",type=integer,JSONPath=`.spec.quotas.deployments`
// +kubebuilder:printcolumn:name="Replicas",type=integer,JSONPath=`.status.used.replicas`
// +kubebuilder:printcolumn:name="CPU",type=string,JSONPath=`.status.used.cpu`
// +kubebuilder:printcolumn:name="Memory",type=string,JSONPath=`.status.used.memory`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63 && !self.metadata.name.contains('.')",message="metadata.name is the environment's name: a DNS label of at most 63 characters"
type EnvironmentConfig struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec are the bounds and defaults.
	// +optional
	Spec EnvironmentConfigSpec `json:"spec,omitempty"`
	// status is what is used of them.
	// +optional
	Status EnvironmentConfigStatus `json:"status,omitempty"`
}

// EnvironmentConfigList is a list of environment configurations.
//
// +kubebuilder:object:root=true
type EnvironmentConfigList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the environment configurations.
	Items []EnvironmentConfig `json:"items"`
}

// EnvironmentConfigSpec are the bounds and defaults of an environment.
type EnvironmentConfigSpec struct {
	// namespaces tells where the records of the environment go.
	// +optional
	Namespaces NamespaceMapping `json:"namespaces,omitempty"`
	// quotas bound the sum of all records of the environment.
	// +optional
	Quotas Quotas `json:"quotas,omitempty"`
	// allowedTemplates are the templates that the environment may use, with their
	// ceilings; empty allows all.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	AllowedTemplates []AllowedTemplate `json:"allowedTemplates,omitempty"`
	// odgm are the defaults of data grids.
	// +optional
	ODGM EnvironmentODGM `json:"odgm,omitempty"`
	// scheduling goes into every pod.
	// +optional
	Scheduling Scheduling `json:"scheduling,omitempty"`
	// networkPolicy restricts who may call the pods.
	// +optional
	NetworkPolicy NetworkPolicySettings `json:"networkPolicy,omitempty"`
	// enforcement is how requirements are kept where a record does not say.
	// +optional
	Enforcement Enforcement `json:"enforcement,omitempty"`
	// telemetry is where telemetry goes, and its settings where a record has none.
	// +optional
	Telemetry EnvironmentTelemetry `json:"telemetry,omitempty"`
}

// NamespaceMapping tells in which namespace of this cluster a record runs. The
// namespace of its ClassDeployment is the tenant's. A tenant that has an entry of
// its own goes there; others go where the rest of the mapping says; tenants never
// share a namespace unless fixed says so.
//
// +kubebuilder:validation:XValidation:rule="!has(self.fixed) || (!has(self.prefix) && !has(self.suffix))",message="use either fixed, or prefix and suffix"
type NamespaceMapping struct {
	// tenants map namespaces of ClassDeployments to namespaces of this cluster.
	// +optional
	// +kubebuilder:validation:MaxProperties=1024
	Tenants map[string]string `json:"tenants,omitempty"`
	// onlyTenants refuses records of namespaces that tenants does not name.
	// +optional
	OnlyTenants bool `json:"onlyTenants,omitempty"`
	// fixed is one namespace for everything else.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Fixed string `json:"fixed,omitempty"`
	// prefix goes before the tenant's namespace.
	// +optional
	// +kubebuilder:validation:MaxLength=30
	// +kubebuilder:validation:Pattern=`^[a-z0-9][-a-z0-9]*$`
	Prefix string `json:"prefix,omitempty"`
	// suffix goes behind the tenant's namespace.
	// +optional
	// +kubebuilder:validation:MaxLength=30
	// +kubebuilder:validation:Pattern=`^[-a-z0-9]*[a-z0-9]$`
	Suffix string `json:"suffix,omitempty"`
	// create makes a namespace that does not exist yet.
	// +optional
	Create bool `json:"create,omitempty"`
}

// Quotas bound a sum; what is absent is not bounded.
type Quotas struct {
	// cpu requested by all pods, those of data grids included, at their greatest
	// number.
	// +optional
	CPU *resource.Quantity `json:"cpu,omitempty"`
	// memory requested by all pods, those of data grids included, at their greatest
	// number.
	// +optional
	Memory *resource.Quantity `json:"memory,omitempty"`
	// replicas of all functions, and nodes of the data grids that have pods of their
	// own, at their greatest number.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Replicas *int32 `json:"replicas,omitempty"`
	// deployments is the number of records.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Deployments *int32 `json:"deployments,omitempty"`
}

// AllowedTemplate is a template that an environment may use.
type AllowedTemplate struct {
	// name of the template.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// maxReplicas of each function with this template; 0 means no ceiling.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MaxReplicas int32 `json:"maxReplicas,omitempty"`
	// maxResources of one replica with this template; what is absent has no ceiling.
	// +optional
	MaxResources corev1.ResourceList `json:"maxResources,omitempty"`
}

// EnvironmentODGM are the defaults of data grids.
type EnvironmentODGM struct {
	// image of the data grid; empty uses the program's own setting.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Image string `json:"image,omitempty"`
	// resources of one node.
	// +optional
	Resources FunctionResources `json:"resources,omitempty"`
	// storage of one node; absent keeps data in memory and emptyDir, or uses the
	// profile's volume.
	// +optional
	Storage *ODGMStorage `json:"storage,omitempty"`
	// collections override what is derived from a class, by the name of the
	// collection; the name * stands for all others.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Collections []CollectionTemplate `json:"collections,omitempty"`
	// partitionStrategy is the number of partitions by throughput, instead of the
	// built-in steps.
	// +optional
	// +listType=map
	// +listMapKey=maxThroughputRPS
	// +kubebuilder:validation:MaxItems=32
	PartitionStrategy []PartitionStep `json:"partitionStrategy,omitempty"`
	// maxReplicaCount bounds the copies of a partition; 0 means no bound.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MaxReplicaCount int32 `json:"maxReplicaCount,omitempty"`
	// healthCheck is the timing of the nodes' probes.
	// +optional
	HealthCheck ODGMHealthCheck `json:"healthCheck,omitempty"`
}

// ODGMStorage is the volume of a node.
type ODGMStorage struct {
	// className is the storage class; empty uses the cluster's default.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ClassName string `json:"className,omitempty"`
	// size of the volume. Defaults to 1Gi.
	// +optional
	Size *resource.Quantity `json:"size,omitempty"`
}

// CollectionTemplate overrides what is derived for a collection.
type CollectionTemplate struct {
	// name of the collection, or * for all that are not named.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// partitionCount of the collection; 0 keeps what was derived.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65536
	PartitionCount int32 `json:"partitionCount,omitempty"`
	// replicaCount of each partition; 0 keeps what was derived.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=64
	ReplicaCount int32 `json:"replicaCount,omitempty"`
	// shardType of the collection; empty keeps what was derived.
	// +optional
	ShardType ShardType `json:"shardType,omitempty"`
	// options are added to the collection's.
	// +optional
	Options map[string]string `json:"options,omitempty"`
}

// PartitionStep is the number of partitions up to a throughput.
type PartitionStep struct {
	// maxThroughputRPS is the greatest throughput of the step, in requests per
	// second; 0 is the step for all greater ones.
	// +required
	// +kubebuilder:validation:Minimum=0
	MaxThroughputRPS int64 `json:"maxThroughputRPS"`
	// partitions of a collection.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65536
	Partitions int32 `json:"partitions"`
}

// ODGMHealthCheck is the timing of a node's probes.
type ODGMHealthCheck struct {
	// periodSeconds between probes. Defaults to 10.
	// +optional
	// +kubebuilder:validation:Minimum=0
	PeriodSeconds int32 `json:"periodSeconds,omitempty"`
	// timeoutSeconds of one probe. Defaults to 1.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TimeoutSeconds int32 `json:"timeoutSeconds,omitempty"`
	// failureThreshold is the number of failures in a row that counts. Defaults to 3.
	// +optional
	// +kubebuilder:validation:Minimum=0
	FailureThreshold int32 `json:"failureThreshold,omitempty"`
	// startupSeconds is the time that a node has to start before it is restarted.
	// Defaults to 120.
	// +optional
	// +kubebuilder:validation:Minimum=0
	StartupSeconds int32 `json:"startupSeconds,omitempty"`
}

// Scheduling goes into every pod of an environment.
type Scheduling struct {
	// nodeSelector restricts the nodes.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// tolerations let pods run on tainted nodes.
	// +optional
	// +listType=atomic
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// imagePullSecrets are names of Secrets in the records' namespace.
	// +optional
	// +listType=set
	ImagePullSecrets []string `json:"imagePullSecrets,omitempty"`
	// priorityClassName of the pods.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName,omitempty"`
	// runtimeClassName of the pods.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	RuntimeClassName string `json:"runtimeClassName,omitempty"`
}

// NetworkPolicySettings restrict who may call the pods of an environment.
type NetworkPolicySettings struct {
	// enabled makes a NetworkPolicy for each record: its pods are reached from the
	// same record, the same namespace and the namespaces of allowedNamespaces.
	// +optional
	Enabled bool `json:"enabled,omitempty"`
	// allowedNamespaces select further namespaces whose pods may call.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	AllowedNamespaces []metav1.LabelSelector `json:"allowedNamespaces,omitempty"`
}

// EnvironmentTelemetry is where telemetry goes.
type EnvironmentTelemetry struct {
	Telemetry `json:",inline"`
	// endpoint receives telemetry in OTLP, such as http://collector.monitoring:4317.
	// Without one, nothing is exported.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Endpoint string `json:"endpoint,omitempty"`
	// protocol of the endpoint. Defaults to grpc.
	// +optional
	// +kubebuilder:validation:Enum=grpc;http/protobuf;http/json
	Protocol string `json:"protocol,omitempty"`
}

// EnvironmentReady is the condition type of an environment configuration: True
// while it can be used as it stands.
const EnvironmentReady = "Ready"

// EnvironmentConfigStatus is what is used of an environment.
type EnvironmentConfigStatus struct {
	// observedGeneration is the generation that the status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions tell the state: Ready.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// used is the sum of all records that were admitted.
	// +optional
	Used UsedQuotas `json:"used,omitempty"`
	// reservations are records that were admitted and may not have been seen yet.
	// They are part of used.
	// +optional
	// +listType=map
	// +listMapKey=record
	Reservations []QuotaReservation `json:"reservations,omitempty"`
}

// UsedQuotas is a sum over records.
type UsedQuotas struct {
	// cpu requested by all pods, those of data grids included, at their greatest
	// number.
	// +optional
	CPU resource.Quantity `json:"cpu,omitempty"`
	// memory requested by all pods, those of data grids included, at their greatest
	// number.
	// +optional
	Memory resource.Quantity `json:"memory,omitempty"`
	// replicas of all functions, and nodes of the data grids that have pods of their
	// own, at their greatest number.
	// +optional
	Replicas int32 `json:"replicas"`
	// deployments is the number of records.
	// +optional
	Deployments int32 `json:"deployments"`
}

// QuotaReservation is the room kept for a record that is about to be written.
type QuotaReservation struct {
	// record is the record, as namespace/name.
	// +required
	Record string `json:"record"`
	// amount that is kept.
	// +required
	Amount UsedQuotas `json:"amount"`
	// expires is when the room is given back if the record has not been seen.
	// +required
	Expires metav1.Time `json:"expires"`
}
