// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package pm

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// RuntimeState is how one unit of a class deployment was doing when its cluster
// last reported. The Package Manager writes it from the clusters' reports, at a
// bounded rate; users can read and delete it. Its name is
// <cluster>.<deploymentID>, its namespace that of the class deployment.
type RuntimeState struct {
	metav1.TypeMeta
	// metadata is standard object metadata.
	metav1.ObjectMeta

	// spec names the unit.
	Spec RuntimeStateSpec
	// status is what was reported.
	Status RuntimeStateStatus
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// RuntimeStateList is a list of runtime states.
type RuntimeStateList struct {
	metav1.TypeMeta
	// metadata is standard list metadata.
	metav1.ListMeta

	// items are the runtime states.
	Items []RuntimeState
}

// RuntimeStateSpec names the unit that a runtime state speaks of.
type RuntimeStateSpec struct {
	// cluster that runs the unit.
	Cluster string
	// deploymentID names the unit's record on that cluster.
	DeploymentID string
	// classDeployment that the unit belongs to.
	ClassDeployment string
	// environment that the unit runs in.
	Environment string
	// packageName is the package that defines the class.
	PackageName string
	// classKey is the class that runs.
	ClassKey string
}

// RuntimeHealth sums a runtime state up in one word.
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
	Health RuntimeHealth
	// condition is that of the unit's record, such as Running.
	Condition string
	// phase is the step that the unit's record is at, such as Ready.
	Phase string
	// message tells why the unit is not healthy.
	Message string
	// statusObservedAt is when the cluster observed health, condition and phase. An
	// older report changes nothing.
	StatusObservedAt *metav1.MicroTime
	// metricsObservedAt is when the cluster measured the functions. An older report
	// changes nothing.
	MetricsObservedAt *metav1.MicroTime
	// total is what all functions use and do together.
	Total RuntimeMetrics
	// functions are what each function uses and does.
	Functions []FunctionRuntime
}

// RuntimeMetrics are measurements over the reporter's window.
type RuntimeMetrics struct {
	// cpu is the average use of all replicas together, in cores.
	CPU *resource.Quantity
	// memory is the working set of all replicas together, in bytes.
	Memory *resource.Quantity
	// requestsPerSecond is the rate of calls, a decimal; empty when not measured.
	RequestsPerSecond string
	// errorRate is the fraction of calls that failed, a decimal between 0 and 1;
	// empty when not measured.
	ErrorRate string
	// latencyP50Ms is the median latency, in milliseconds, a decimal; empty when not
	// measured.
	LatencyP50Ms string
	// latencyP95Ms is the 95th percentile of the latency, in milliseconds, a
	// decimal; empty when not measured.
	LatencyP95Ms string
	// latencyP99Ms is the 99th percentile of the latency, in milliseconds, a
	// decimal; empty when not measured.
	LatencyP99Ms string
	// replicas that were wanted.
	Replicas int32
	// readyReplicas that served.
	ReadyReplicas int32
}

// FunctionRuntime is what one function uses and does.
type FunctionRuntime struct {
	// key of the function.
	Key string
	// metrics of the function.
	Metrics RuntimeMetrics
}
