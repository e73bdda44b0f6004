// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package template

import (
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// Input is all that the expressions of a template see. The JSON names of its types
// are the names in expressions; docs/templates.md lists them.
type Input struct {
	// Record is the variable record.
	Record Record
	// Functions is the variable functions of manifests.
	Functions []Function
	// Requests is the variable functions of selectionCriteria.when.
	Requests []Request
	// Environment is the variable environment.
	Environment Environment
	// ODGM is the variable odgm.
	ODGM ODGM
	// Names is the variable names.
	Names Names
	// Analysis is the variable analysis.
	Analysis Analysis
	// Features is the variable features.
	Features Features
}

// Record is the record that is rendered.
type Record struct {
	// Name of the record, which is the id of its deployment unit.
	Name string `json:"name"`
	// Namespace that the record and its objects are in.
	Namespace string `json:"namespace"`
	// Tenant is the namespace of the ClassDeployment.
	Tenant string `json:"tenant"`
	// ClassDeployment is its name.
	ClassDeployment string `json:"classDeployment"`
	// Package that defines the class.
	Package string `json:"package"`
	// PackageVersion is its version; empty where none was given.
	PackageVersion string `json:"packageVersion"`
	// Class is the key of the class.
	Class string `json:"class"`
	// Environment that the record runs in.
	Environment string `json:"environment"`
	// Stateful classes have state.
	Stateful bool `json:"stateful"`
	// Persistent state outlives a restart.
	Persistent bool `json:"persistent"`
	// ConsistencyModel of the state; empty for a class without state.
	ConsistencyModel string `json:"consistencyModel"`
	// DeletionPolicy is Delete or Retain.
	DeletionPolicy string `json:"deletionPolicy"`
	// MinThroughputRPS is the least rate in requests per second; 0 where none is asked
	// for.
	MinThroughputRPS int64 `json:"minThroughputRPS"`
	// MaxLatencyMs is the greatest latency in milliseconds; 0 where none is asked for.
	MaxLatencyMs int64 `json:"maxLatencyMs"`
	// Availability is the fraction of time to answer; 0 where none is asked for.
	Availability float64 `json:"availability"`
	// Annotations of the record.
	Annotations map[string]string `json:"annotations"`
	// Labels that every object of the record gets.
	Labels map[string]string `json:"labels"`
	// Selector are the labels that pick all pods of the record.
	Selector map[string]string `json:"selector"`
}

// Request is what a record asks for one function, before a template is chosen.
type Request struct {
	// Key of the function in its package.
	Key string `json:"key"`
	// Image of its container.
	Image string `json:"image"`
	// Port on which the container serves.
	Port int32 `json:"port"`
	// NeedHTTP2 asks for HTTP/2 without TLS.
	NeedHTTP2 bool `json:"needHTTP2"`
	// MaxConcurrency bounds the calls that one replica handles at a time; 0 means no
	// bound.
	MaxConcurrency int32 `json:"maxConcurrency"`
	// MinReplicas and MaxReplicas are the bounds that were asked for.
	MinReplicas int32 `json:"minReplicas"`
	MaxReplicas int32 `json:"maxReplicas"`
}

// Function is a function of the record with everything its objects need.
type Function struct {
	// Key of the function in its package.
	Key string `json:"key"`
	// Name for its workload and Service: at most 52 characters.
	Name string `json:"name"`
	// HeadlessName is the name for a headless Service: at most 63 characters.
	HeadlessName string `json:"headlessName"`
	// Labels that every object of the function gets.
	Labels map[string]string `json:"labels"`
	// Selector are the labels that pick its pods.
	Selector map[string]string `json:"selector"`
	// Annotations that every object of the function gets.
	Annotations map[string]string `json:"annotations"`
	// Replicas to run: at least 1, or 0 for a function that is stopped.
	Replicas int32 `json:"replicas"`
	// MinReplicas and MaxReplicas bound a workload that follows the load. MinReplicas
	// is 0 where nobody asks for a replica that waits; only a workload that scales to
	// zero can use it, others use Replicas.
	MinReplicas int32 `json:"minReplicas"`
	MaxReplicas int32 `json:"maxReplicas"`
	// Autoscaled functions are given to an autoscaler: their workload has no replicas
	// of its own.
	Autoscaled bool `json:"autoscaled"`
	// TargetCPU is the average CPU use to aim at, in percent of the request.
	TargetCPU int32 `json:"targetCPU"`
	// Image of the container.
	Image string `json:"image"`
	// Port on which the container serves.
	Port int32 `json:"port"`
	// PortName is the name of that port in the pod.
	PortName string `json:"portName"`
	// ServicePort is the port of the Service.
	ServicePort int32 `json:"servicePort"`
	// ServicePorts are all ports of the Service.
	ServicePorts []Value `json:"servicePorts"`
	// AppProtocol of the port; empty for plain HTTP.
	AppProtocol string `json:"appProtocol"`
	// NeedHTTP2 asks for HTTP/2 without TLS.
	NeedHTTP2 bool `json:"needHTTP2"`
	// MaxConcurrency bounds the calls that one replica handles at a time; 0 means no
	// bound.
	MaxConcurrency int32 `json:"maxConcurrency"`
	// OrdinalsStart is the first ordinal of a StatefulSet's pods; 0 without a data grid
	// beside the function.
	OrdinalsStart int32 `json:"ordinalsStart"`
	// Pod is a pod template: metadata and spec.
	Pod Value `json:"pod"`
	// VolumeClaimTemplates that the pod's volumes refer to; empty where it has none.
	VolumeClaimTemplates []Value `json:"volumeClaimTemplates"`
}

// Environment is where the record runs.
type Environment struct {
	// Name of the environment.
	Name string `json:"name"`
	// NetworkPolicy restricts who may call the pods.
	NetworkPolicy NetworkPolicy `json:"networkPolicy"`
}

// NetworkPolicy restricts who may call the pods.
type NetworkPolicy struct {
	// Enabled asks for a NetworkPolicy.
	Enabled bool `json:"enabled"`
	// From are the peers that may call, as in a NetworkPolicy's ingress.
	From []Value `json:"from"`
}

// ODGM is the data grid of the record.
type ODGM struct {
	// Enabled tells that the record has a data grid.
	Enabled bool `json:"enabled"`
	// Mode is Sidecar or Cluster; empty without a grid.
	Mode string `json:"mode"`
	// Endpoint reaches the grid inside the cluster; empty without a grid.
	Endpoint string `json:"endpoint"`
	// Nodes of the grid.
	Nodes int32 `json:"nodes"`
	// Collections are the names of its collections.
	Collections []string `json:"collections"`
}

// Names are names for objects that belong to the record as a whole.
type Names struct {
	// Record is a name for the record: at most 40 characters, so that 23 are left for
	// a suffix.
	Record string `json:"record"`
}

// Analysis is what follows from the record's requirements.
type Analysis struct {
	// TargetCPU is the average CPU use to aim at, in percent of the request.
	TargetCPU int32 `json:"targetCPU"`
	// Copies is the number of replicas that the availability asks for, at least 1.
	Copies int32 `json:"copies"`
}

// Features are what the cluster's program may use.
type Features struct {
	// HPA allows HorizontalPodAutoscalers.
	HPA bool `json:"hpa"`
	// Knative allows Knative Services.
	Knative bool `json:"knative"`
}

// Value is a Kubernetes value that expressions know as map(string, dyn). Its zero
// value is not valid: use NewValue.
type Value struct {
	traits.Mapper
}

// NewValue wraps content as encoding/json or the unstructured converter makes it:
// maps, lists, strings, int64, float64, bool and nil. The content must not change
// afterwards.
func NewValue(content map[string]any) Value {
	if content == nil {
		content = map[string]any{}
	}
	return Value{Mapper: types.NewStringInterfaceMap(types.DefaultTypeAdapter, content)}
}

// Type tells the type checker what is inside; it is asked of a zero value, too.
func (Value) Type() ref.Type {
	return types.NewMapType(types.StringType, types.DynType)
}
