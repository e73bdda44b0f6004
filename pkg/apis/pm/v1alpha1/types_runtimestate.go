// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:onlyVerbs=get,list,watch,delete,deleteCollection
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +k8s:prerelease-lifecycle-gen:introduced=1.0

// RuntimeState is how one unit of a class deployment was doing when its cluster
// last reported. The Package Manager writes it from the clusters' reports, at a
// bounded rate; users can read and delete it. Its name is
// <cluster>.<deploymentID>, its namespace that of the class deployment.
type RuntimeState struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// spec names the unit.
	// +required
	Spec RuntimeStateSpec `json:"spec" protobuf:"bytes,2,opt,name=spec"`
	// status is what was reported.
	// +optional
	Status RuntimeStateStatus `json:"status,omitempty" protobuf:"bytes,3,opt,name=status"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// RuntimeStateList is a list of runtime states.
type RuntimeStateList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// items are the runtime states.
	Items []RuntimeState `json:"items" protobuf:"bytes,2,rep,name=items"`
}

// RuntimeStateSpec names the unit that a runtime state speaks of.
type RuntimeStateSpec struct {
	// cluster that runs the unit.
	// +required
	// +k8s:required
	Cluster string `json:"cluster" protobuf:"bytes,1,opt,name=cluster"`
	// deploymentID names the unit's record on that cluster.
	// +required
	// +k8s:required
	DeploymentID string `json:"deploymentID" protobuf:"bytes,2,opt,name=deploymentID"`
	// classDeployment that the unit belongs to.
	// +required
	// +k8s:required
	ClassDeployment string `json:"classDeployment" protobuf:"bytes,3,opt,name=classDeployment"`
	// environment that the unit runs in.
	// +optional
	Environment string `json:"environment,omitempty" protobuf:"bytes,4,opt,name=environment"`
	// packageName is the package that defines the class.
	// +optional
	PackageName string `json:"packageName,omitempty" protobuf:"bytes,5,opt,name=packageName"`
	// classKey is the class that runs.
	// +optional
	ClassKey string `json:"classKey,omitempty" protobuf:"bytes,6,opt,name=classKey"`
}

// RuntimeHealth sums a runtime state up in one word.
// +enum
// +k8s:enum
type RuntimeHealth string

const (
	// RuntimeHealthy serves as it should.
	RuntimeHealthy RuntimeHealth = "Healthy"
	// RuntimeDegraded serves, but not as it should.
	RuntimeDegraded RuntimeHealth = "Degraded"
	// RuntimeUnhealthy does not serve.
	RuntimeUnhealthy RuntimeHealth = "Unhealthy"
	// RuntimeUnknown was not reported.
	RuntimeUnknown RuntimeHealth = "Unknown"
)

// RuntimeStateStatus is what a cluster reported of a unit.
type RuntimeStateStatus struct {
	// health sums the report up in one word.
	// +optional
	// +default="Unknown"
	// +k8s:optional
	Health RuntimeHealth `json:"health,omitempty" protobuf:"bytes,1,opt,name=health,casttype=RuntimeHealth"`
	// condition is that of the unit's record, such as Running.
	// +optional
	Condition string `json:"condition,omitempty" protobuf:"bytes,2,opt,name=condition"`
	// phase is the step that the unit's record is at, such as Ready.
	// +optional
	Phase string `json:"phase,omitempty" protobuf:"bytes,3,opt,name=phase"`
	// message tells why the unit is not healthy.
	// +optional
	Message string `json:"message,omitempty" protobuf:"bytes,4,opt,name=message"`
	// statusObservedAt is when the cluster observed health, condition and phase. An
	// older report changes nothing.
	// +optional
	StatusObservedAt *metav1.MicroTime `json:"statusObservedAt,omitempty" protobuf:"bytes,5,opt,name=statusObservedAt"`
	// metricsObservedAt is when the cluster measured the functions. An older report
	// changes nothing.
	// +optional
	MetricsObservedAt *metav1.MicroTime `json:"metricsObservedAt,omitempty" protobuf:"bytes,6,opt,name=metricsObservedAt"`
	// total is what all functions use and do together.
	// +optional
	Total RuntimeMetrics `json:"total,omitempty" protobuf:"bytes,7,opt,name=total"`
	// functions are what each function uses and does.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +patchMergeKey=key
	// +patchStrategy=merge
	// +k8s:optional
	// +k8s:listType=map
	// +k8s:listMapKey=key
	// +k8s:maxItems=500
	Functions []FunctionRuntime `json:"functions,omitempty" patchStrategy:"merge" patchMergeKey:"key" protobuf:"bytes,8,rep,name=functions"`
}

// RuntimeMetrics are measurements over the reporter's window.
type RuntimeMetrics struct {
	// cpu is the average use of all replicas together, in cores.
	// +optional
	CPU *resource.Quantity `json:"cpu,omitempty" protobuf:"bytes,1,opt,name=cpu"`
	// memory is the working set of all replicas together, in bytes.
	// +optional
	Memory *resource.Quantity `json:"memory,omitempty" protobuf:"bytes,2,opt,name=memory"`
	// requestsPerSecond is the rate of calls, a decimal; empty when not measured.
	// +optional
	RequestsPerSecond string `json:"requestsPerSecond,omitempty" protobuf:"bytes,3,opt,name=requestsPerSecond"`
	// errorRate is the fraction of calls that failed, a decimal between 0 and 1;
	// empty when not measured.
	// +optional
	ErrorRate string `json:"errorRate,omitempty" protobuf:"bytes,4,opt,name=errorRate"`
	// latencyP50Ms is the median latency, in milliseconds, a decimal; empty when not
	// measured.
	// +optional
	LatencyP50Ms string `json:"latencyP50Ms,omitempty" protobuf:"bytes,5,opt,name=latencyP50Ms"`
	// latencyP95Ms is the 95th percentile of the latency, in milliseconds, a
	// decimal; empty when not measured.
	// +optional
	LatencyP95Ms string `json:"latencyP95Ms,omitempty" protobuf:"bytes,6,opt,name=latencyP95Ms"`
	// latencyP99Ms is the 99th percentile of the latency, in milliseconds, a
	// decimal; empty when not measured.
	// +optional
	LatencyP99Ms string `json:"latencyP99Ms,omitempty" protobuf:"bytes,7,opt,name=latencyP99Ms"`
	// replicas that were wanted.
	// +optional
	// +k8s:optional
	// +k8s:minimum=0
	Replicas int32 `json:"replicas,omitempty" protobuf:"varint,8,opt,name=replicas"`
	// readyReplicas that served.
	// +optional
	// +k8s:optional
	// +k8s:minimum=0
	ReadyReplicas int32 `json:"readyReplicas,omitempty" protobuf:"varint,9,opt,name=readyReplicas"`
}

// FunctionRuntime is what one function uses and does.
type FunctionRuntime struct {
	// key of the function.
	// +required
	// +k8s:required
	Key string `json:"key" protobuf:"bytes,1,opt,name=key"`
	// metrics of the function.
	// +optional
	Metrics RuntimeMetrics `json:"metrics,omitempty" protobuf:"bytes,2,opt,name=metrics"`
}
