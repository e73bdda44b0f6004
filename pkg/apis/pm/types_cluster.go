// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package pm

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// Cluster is a Kubernetes cluster that runs deployments, reached through the
// Class Runtime Manager on it.
type Cluster struct {
	metav1.TypeMeta
	// metadata is standard object metadata.
	metav1.ObjectMeta

	// spec is how the cluster is reached and used.
	Spec ClusterSpec
	// status is what the cluster last reported.
	Status ClusterStatus
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// ClusterList is a list of clusters.
type ClusterList struct {
	metav1.TypeMeta
	// metadata is standard list metadata.
	metav1.ListMeta

	// items are the clusters.
	Items []Cluster
}

// ClusterSpec is how a cluster is reached and used.
type ClusterSpec struct {
	// endpoint of the Class Runtime Manager's gRPC server, host:port.
	Endpoint string
	// environments that the cluster hosts; empty means it hosts any.
	Environments []string
	// region is where the cluster stands.
	Region string
	// tls says how the server is verified; absent means the connection is in
	// plain text, which only suits a trusted network.
	TLS *ClusterTLS
	// auth says how the Package Manager identifies itself.
	Auth *ClusterAuth
	// timeout of one call. Defaults to 30s.
	Timeout *metav1.Duration
	// retryAttempts of a failed call before the controller backs off. Defaults to
	// 3; 0 tries once.
	RetryAttempts *int32
	// default makes the cluster the one that deployments without any preference
	// go to.
	Default bool
	// unschedulable keeps new units away; those that run stay.
	Unschedulable bool
}

// ClusterTLS says how the server is verified.
type ClusterTLS struct {
	// caBundle is one or more PEM certificates that sign the server's; empty uses
	// the system's.
	CABundle []byte
	// serverName is the name that the server's certificate must carry; empty uses
	// the host of the endpoint.
	ServerName string
}

// ClusterAuthType is how the Package Manager identifies itself to a cluster.
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
	Type ClusterAuthType
	// secretRef names the Secret that holds it: token for Bearer, username and
	// password for Basic, tls.crt and tls.key for Certificate.
	SecretRef *SecretReference
}

// SecretReference names a Secret of the cluster that hosts the Package Manager.
type SecretReference struct {
	// namespace of the Secret.
	Namespace string
	// name of the Secret.
	Name string
}

// ClusterHealth sums up what a cluster last reported.
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
	ObservedGeneration int64
	// health sums the report up in one word.
	Health ClusterHealth
	// conditions tell the state: Ready, UnitsOwned.
	Conditions []metav1.Condition
	// crmVersion is the version of the Class Runtime Manager.
	CRMVersion string
	// lastSeen is when the cluster last answered; refreshed about once a minute
	// while nothing else changes.
	LastSeen *metav1.Time
	// nodeCount is the number of nodes.
	NodeCount int32
	// readyNodes is the number of nodes that are ready.
	ReadyNodes int32
	// availability is the fraction of time that the cluster was up as far as its
	// Class Runtime Manager measured it, a decimal; empty while unknown.
	Availability string
	// capacity is what all ready nodes can give, keyed by resource name.
	Capacity map[string]resource.Quantity
	// allocated is what pods have requested, keyed by resource name.
	Allocated map[string]resource.Quantity
	// circuitBreaker is the state of the link to the cluster.
	CircuitBreaker *CircuitBreakerStatus
}

// CircuitBreakerState is the state of the link to a cluster.
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
	State CircuitBreakerState
	// failures in a row.
	Failures int32
	// openUntil is when an open breaker lets the next call through. While the
	// cluster stays away, it is written down about every five minutes.
	OpenUntil *metav1.Time
}
