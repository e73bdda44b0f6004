// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:nonNamespaced
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +k8s:prerelease-lifecycle-gen:introduced=1.0
// +k8s:supportsSubresource="/status"

// Cluster is a Kubernetes cluster that runs deployments, reached through the
// Class Runtime Manager on it.
type Cluster struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// spec is how the cluster is reached and used.
	// +required
	Spec ClusterSpec `json:"spec" protobuf:"bytes,2,opt,name=spec"`
	// status is what the cluster last reported.
	// +optional
	Status ClusterStatus `json:"status,omitempty" protobuf:"bytes,3,opt,name=status"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// ClusterList is a list of clusters.
type ClusterList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// items are the clusters.
	Items []Cluster `json:"items" protobuf:"bytes,2,rep,name=items"`
}

// ClusterSpec is how a cluster is reached and used.
type ClusterSpec struct {
	// endpoint of the Class Runtime Manager's gRPC server, host:port.
	// +required
	Endpoint string `json:"endpoint" protobuf:"bytes,1,opt,name=endpoint"`
	// environments that the cluster hosts; empty means it hosts any.
	// +optional
	// +listType=set
	// +k8s:optional
	// +k8s:listType=set
	// +k8s:maxItems=64
	// +k8s:eachVal=+k8s:format=k8s-short-name
	Environments []string `json:"environments,omitempty" protobuf:"bytes,2,rep,name=environments"`
	// region is where the cluster stands.
	// +optional
	// +k8s:optional
	// +k8s:maxLength=64
	Region string `json:"region,omitempty" protobuf:"bytes,3,opt,name=region"`
	// tls says how the server is verified; absent means the connection is in
	// plain text, which only suits a trusted network.
	// +optional
	// +k8s:optional
	TLS *ClusterTLS `json:"tls,omitempty" protobuf:"bytes,4,opt,name=tls"`
	// auth says how the Package Manager identifies itself.
	// +optional
	// +k8s:optional
	Auth *ClusterAuth `json:"auth,omitempty" protobuf:"bytes,5,opt,name=auth"`
	// timeout of one call. Defaults to 30s.
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty" protobuf:"bytes,6,opt,name=timeout"`
	// retryAttempts of a failed call before the controller backs off. Defaults to
	// 3; 0 tries once.
	// +optional
	// +k8s:optional
	// +k8s:minimum=0
	// +k8s:maximum=10
	RetryAttempts *int32 `json:"retryAttempts,omitempty" protobuf:"varint,7,opt,name=retryAttempts"`
	// default makes the cluster the one that deployments without any preference
	// go to.
	// +optional
	Default bool `json:"default,omitempty" protobuf:"varint,8,opt,name=default"`
	// unschedulable keeps new units away; those that run stay.
	// +optional
	Unschedulable bool `json:"unschedulable,omitempty" protobuf:"varint,9,opt,name=unschedulable"`
}

// ClusterTLS says how the server is verified.
type ClusterTLS struct {
	// caBundle is one or more PEM certificates that sign the server's; empty uses
	// the system's.
	// +optional
	CABundle []byte `json:"caBundle,omitempty" protobuf:"bytes,1,opt,name=caBundle"`
	// serverName is the name that the server's certificate must carry; empty uses
	// the host of the endpoint.
	// +optional
	ServerName string `json:"serverName,omitempty" protobuf:"bytes,2,opt,name=serverName"`
}

// ClusterAuthType is how the Package Manager identifies itself to a cluster.
// +enum
// +k8s:enum
type ClusterAuthType string

const (
	// ClusterAuthNone sends no identity.
	ClusterAuthNone ClusterAuthType = "None"
	// ClusterAuthBearer sends the Secret's token.
	ClusterAuthBearer ClusterAuthType = "Bearer"
	// ClusterAuthBasic sends the Secret's username and password.
	ClusterAuthBasic ClusterAuthType = "Basic"
	// ClusterAuthCertificate presents the Secret's tls.crt and tls.key.
	ClusterAuthCertificate ClusterAuthType = "Certificate"
)

// ClusterAuth says how the Package Manager identifies itself.
type ClusterAuth struct {
	// type of the identity. Defaults to None.
	// +optional
	// +default="None"
	// +k8s:optional
	Type ClusterAuthType `json:"type,omitempty" protobuf:"bytes,1,opt,name=type,casttype=ClusterAuthType"`
	// secretRef names the Secret that holds it: token for Bearer, username and
	// password for Basic, tls.crt and tls.key for Certificate.
	// +optional
	// +k8s:optional
	SecretRef *SecretReference `json:"secretRef,omitempty" protobuf:"bytes,2,opt,name=secretRef"`
}

// SecretReference names a Secret of the cluster that hosts the Package Manager.
type SecretReference struct {
	// namespace of the Secret.
	// +required
	// +k8s:required
	// +k8s:format=k8s-short-name
	Namespace string `json:"namespace" protobuf:"bytes,1,opt,name=namespace"`
	// name of the Secret.
	// +required
	// +k8s:required
	// +k8s:format=k8s-long-name
	Name string `json:"name" protobuf:"bytes,2,opt,name=name"`
}

// ClusterHealth sums up what a cluster last reported.
// +enum
// +k8s:enum
type ClusterHealth string

const (
	// ClusterHealthy answers and all its nodes are ready.
	ClusterHealthy ClusterHealth = "Healthy"
	// ClusterDegraded answers, but some nodes are not ready.
	ClusterDegraded ClusterHealth = "Degraded"
	// ClusterUnhealthy does not answer, or no node is ready.
	ClusterUnhealthy ClusterHealth = "Unhealthy"
	// ClusterUnknown was not asked yet.
	ClusterUnknown ClusterHealth = "Unknown"
)

const (
	// ClusterReady is True while units can be sent to the cluster.
	ClusterReady = "Ready"
	// ClusterUnitsOwned is False while units run on the cluster that a Package Manager
	// sent and that no ClassDeployment lists, such as those that were made after the
	// snapshot that was restored. Nothing removes them; absent until it was looked.
	ClusterUnitsOwned = "UnitsOwned"
)

// ClusterStatus is what a cluster last reported.
type ClusterStatus struct {
	// observedGeneration is the generation that the status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty" protobuf:"varint,1,opt,name=observedGeneration"`
	// health sums the report up in one word.
	// +optional
	// +k8s:optional
	Health ClusterHealth `json:"health,omitempty" protobuf:"bytes,2,opt,name=health,casttype=ClusterHealth"`
	// conditions tell the state: Ready, UnitsOwned.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchMergeKey=type
	// +patchStrategy=merge
	// +k8s:optional
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type" protobuf:"bytes,3,rep,name=conditions"`
	// crmVersion is the version of the Class Runtime Manager.
	// +optional
	CRMVersion string `json:"crmVersion,omitempty" protobuf:"bytes,4,opt,name=crmVersion"`
	// lastSeen is when the cluster last answered; refreshed about once a minute
	// while nothing else changes.
	// +optional
	LastSeen *metav1.Time `json:"lastSeen,omitempty" protobuf:"bytes,5,opt,name=lastSeen"`
	// nodeCount is the number of nodes.
	// +optional
	// +k8s:optional
	// +k8s:minimum=0
	NodeCount int32 `json:"nodeCount,omitempty" protobuf:"varint,6,opt,name=nodeCount"`
	// readyNodes is the number of nodes that are ready.
	// +optional
	ReadyNodes int32 `json:"readyNodes,omitempty" protobuf:"varint,7,opt,name=readyNodes"`
	// availability is the fraction of time that the cluster was up as far as its
	// Class Runtime Manager measured it, a decimal; empty while unknown.
	// +optional
	Availability string `json:"availability,omitempty" protobuf:"bytes,8,opt,name=availability"`
	// capacity is what all ready nodes can give, keyed by resource name.
	// +optional
	Capacity map[string]resource.Quantity `json:"capacity,omitempty" protobuf:"bytes,9,rep,name=capacity"`
	// allocated is what pods have requested, keyed by resource name.
	// +optional
	Allocated map[string]resource.Quantity `json:"allocated,omitempty" protobuf:"bytes,10,rep,name=allocated"`
	// circuitBreaker is the state of the link to the cluster.
	// +optional
	// +k8s:optional
	CircuitBreaker *CircuitBreakerStatus `json:"circuitBreaker,omitempty" protobuf:"bytes,11,opt,name=circuitBreaker"`
}

// CircuitBreakerState is the state of the link to a cluster.
// +enum
// +k8s:enum
type CircuitBreakerState string

const (
	// CircuitClosed lets calls through.
	CircuitClosed CircuitBreakerState = "Closed"
	// CircuitHalfOpen lets one call through to find out.
	CircuitHalfOpen CircuitBreakerState = "HalfOpen"
	// CircuitOpen refuses calls until openUntil.
	CircuitOpen CircuitBreakerState = "Open"
)

// CircuitBreakerStatus is the state of the link to a cluster.
type CircuitBreakerStatus struct {
	// state of the breaker.
	// +required
	// +k8s:required
	State CircuitBreakerState `json:"state" protobuf:"bytes,1,opt,name=state,casttype=CircuitBreakerState"`
	// failures in a row.
	// +optional
	// +k8s:optional
	// +k8s:minimum=0
	Failures int32 `json:"failures,omitempty" protobuf:"varint,2,opt,name=failures"`
	// openUntil is when an open breaker lets the next call through. While the
	// cluster stays away, it is written down about every five minutes.
	// +optional
	OpenUntil *metav1.Time `json:"openUntil,omitempty" protobuf:"bytes,3,opt,name=openUntil"`
}
