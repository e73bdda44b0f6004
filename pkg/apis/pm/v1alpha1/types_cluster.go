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

// Cluster is a Kubernetes cluster that runs deployments, reached through the
// Class Runtime Manager on it.
type Cluster struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is how the cluster is reached and used.
	Spec ClusterSpec `json:"spec"`
	// status is what the cluster last reported.
	// +optional
	Status ClusterStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// ClusterList is a list of clusters.
type ClusterList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the clusters.
	Items []Cluster `json:"items"`
}

// ClusterSpec is how a cluster is reached and used.
type ClusterSpec struct {
	// endpoint of the Class Runtime Manager's gRPC server, host:port.
	Endpoint string `json:"endpoint"`
	// environments that the cluster hosts; empty means it hosts any.
	// +optional
	// +listType=set
	Environments []string `json:"environments,omitempty"`
	// region is where the cluster stands.
	// +optional
	Region string `json:"region,omitempty"`
	// tls says how the server is verified; absent means the connection is in
	// plain text, which only suits a trusted network.
	// +optional
	TLS *ClusterTLS `json:"tls,omitempty"`
	// auth says how the Package Manager identifies itself.
	// +optional
	Auth *ClusterAuth `json:"auth,omitempty"`
	// timeout of one call. Defaults to 30s.
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// retryAttempts of a failed call before the controller backs off. Defaults to
	// 3; 0 tries once.
	// +optional
	RetryAttempts *int32 `json:"retryAttempts,omitempty"`
	// default makes the cluster the one that deployments without any preference
	// go to.
	// +optional
	Default bool `json:"default,omitempty"`
	// unschedulable keeps new units away; those that run stay.
	// +optional
	Unschedulable bool `json:"unschedulable,omitempty"`
}

// ClusterTLS says how the server is verified.
type ClusterTLS struct {
	// caBundle is one or more PEM certificates that sign the server's; empty uses
	// the system's.
	// +optional
	CABundle []byte `json:"caBundle,omitempty"`
	// serverName is the name that the server's certificate must carry; empty uses
	// the host of the endpoint.
	// +optional
	ServerName string `json:"serverName,omitempty"`
}

// ClusterAuthType is how the Package Manager identifies itself to a cluster.
// +enum
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
	Type ClusterAuthType `json:"type,omitempty"`
	// secretRef names the Secret that holds it: token for Bearer, username and
	// password for Basic, tls.crt and tls.key for Certificate.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`
}

// SecretReference names a Secret of the cluster that hosts the Package Manager.
type SecretReference struct {
	// namespace of the Secret.
	Namespace string `json:"namespace"`
	// name of the Secret.
	Name string `json:"name"`
}

// ClusterHealth sums up what a cluster last reported.
// +enum
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
)

// ClusterStatus is what a cluster last reported.
type ClusterStatus struct {
	// observedGeneration is the generation that the status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// health sums the report up in one word.
	// +optional
	Health ClusterHealth `json:"health,omitempty"`
	// conditions tell the state: Ready.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// crmVersion is the version of the Class Runtime Manager.
	// +optional
	CRMVersion string `json:"crmVersion,omitempty"`
	// lastSeen is when the cluster last answered; refreshed about once a minute
	// while nothing else changes.
	// +optional
	LastSeen *metav1.Time `json:"lastSeen,omitempty"`
	// nodeCount is the number of nodes.
	// +optional
	NodeCount int32 `json:"nodeCount,omitempty"`
	// readyNodes is the number of nodes that are ready.
	// +optional
	ReadyNodes int32 `json:"readyNodes,omitempty"`
	// availability is the fraction of time that the cluster was up as far as its
	// Class Runtime Manager measured it, a decimal; empty while unknown.
	// +optional
	Availability string `json:"availability,omitempty"`
	// capacity is what all ready nodes can give, keyed by resource name.
	// +optional
	Capacity map[string]resource.Quantity `json:"capacity,omitempty"`
	// allocated is what pods have requested, keyed by resource name.
	// +optional
	Allocated map[string]resource.Quantity `json:"allocated,omitempty"`
	// circuitBreaker is the state of the link to the cluster.
	// +optional
	CircuitBreaker *CircuitBreakerStatus `json:"circuitBreaker,omitempty"`
}

// CircuitBreakerState is the state of the link to a cluster.
// +enum
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
	State CircuitBreakerState `json:"state"`
	// failures in a row.
	// +optional
	Failures int32 `json:"failures,omitempty"`
	// openUntil is when an open breaker lets the next call through.
	// +optional
	OpenUntil *metav1.Time `json:"openUntil,omitempty"`
}
