// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// FunctionContainer is a function that has a workload.
//
// +kubebuilder:validation:XValidation:rule="!has(self.maxReplicas) || !has(self.minReplicas) || self.maxReplicas == 0 || self.minReplicas <= self.maxReplicas",message="minReplicas must not exceed maxReplicas"
type FunctionContainer struct {
	// functionKey is the key by which the class knows the function: that in its own
	// package, or for one of another package that package's name, a dot and the key
	// there.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=264
	FunctionKey string `json:"functionKey"`
	// image of the container.
	// +required
	// +kubebuilder:validation:MinLength=1
	Image string `json:"image"`
	// port on which the container serves HTTP.
	// +optional
	// +default=8080
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
	// needHTTP2 asks for HTTP/2 without TLS between the platform and the container.
	// +optional
	NeedHTTP2 bool `json:"needHTTP2,omitempty"`
	// maxConcurrency bounds the calls that one replica handles at a time; 0 means
	// no bound.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MaxConcurrency int32 `json:"maxConcurrency,omitempty"`
	// resources of one replica.
	// +optional
	Resources FunctionResources `json:"resources,omitempty"`
	// env are environment variables of the container.
	// +optional
	// +listType=map
	// +listMapKey=name
	Env []EnvVar `json:"env,omitempty"`
	// secretEnv are environment variables whose values are in Secrets of the record's
	// namespace.
	// +optional
	// +listType=map
	// +listMapKey=name
	SecretEnv []SecretVariable `json:"secretEnv,omitempty"`
	// volumeMounts are files that the container gets beside those of its image.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	VolumeMounts []VolumeMount `json:"volumeMounts,omitempty"`
	// minReplicas of this function; wins over the record's.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MinReplicas *int32 `json:"minReplicas,omitempty"`
	// maxReplicas of this function; wins over the record's.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MaxReplicas *int32 `json:"maxReplicas,omitempty"`
	// healthCheck tells how to ask the container for its health; without a readiness
	// probe, connecting to the port decides.
	// +optional
	HealthCheck *HealthCheck `json:"healthCheck,omitempty"`
	// odgmIntegration tells how the function uses the data grid; absent follows from
	// the bindings.
	// +optional
	ODGMIntegration *ODGMIntegration `json:"odgmIntegration,omitempty"`
}

// SecretVariable is an environment variable whose value is in a Secret.
type SecretVariable struct {
	// name of the variable: any printable ASCII but =.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Pattern=`^[ -<>-~]+$`
	Name string `json:"name"`
	// secretName is the name of the Secret, in the record's namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName"`
	// key in the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key"`
	// optional lets the container start without the Secret or the key.
	// +optional
	Optional bool `json:"optional,omitempty"`
}

// VolumeMount puts files of the cluster into a container. What it names has to be in
// the record's namespace.
//
// +kubebuilder:validation:XValidation:rule="(has(self.configMap) ? 1 : 0) + (has(self.secret) ? 1 : 0) + (has(self.persistentVolumeClaim) ? 1 : 0) + (has(self.emptyDir) ? 1 : 0) == 1",message="set exactly one of configMap, secret, persistentVolumeClaim and emptyDir: it is where the files come from"
type VolumeMount struct {
	// name of the volume, unique in the function.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=50
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`
	// mountPath is the folder in the container, an absolute path below / that no other
	// mount has.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^/[^:/][^:]*$`
	MountPath string `json:"mountPath"`
	// subPath is the file or folder of the volume to mount, a relative path without
	// ..; empty mounts all of it.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^(([^/.][^/]*|\.[^/.][^/]*|\.\.[^/]+)(/([^/.][^/]*|\.[^/.][^/]*|\.\.[^/]+))*)?$`
	SubPath string `json:"subPath,omitempty"`
	// readOnly keeps the container from writing. Volumes of ConfigMaps and Secrets
	// never let it.
	// +optional
	ReadOnly bool `json:"readOnly,omitempty"`
	// configMap has a file for each key.
	// +optional
	ConfigMap *ObjectVolume `json:"configMap,omitempty"`
	// secret has a file for each key.
	// +optional
	Secret *ObjectVolume `json:"secret,omitempty"`
	// persistentVolumeClaim is there already, and stays when the record goes.
	// +optional
	PersistentVolumeClaim *ClaimVolume `json:"persistentVolumeClaim,omitempty"`
	// emptyDir is empty when a replica starts, and lost when it ends.
	// +optional
	EmptyDir *EmptyVolume `json:"emptyDir,omitempty"`
}

// ObjectVolume is a ConfigMap or a Secret.
type ObjectVolume struct {
	// name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// optional lets the container start without the object.
	// +optional
	Optional bool `json:"optional,omitempty"`
}

// ClaimVolume is a PersistentVolumeClaim.
type ClaimVolume struct {
	// claimName is the name of the claim. Where the function has several replicas, the
	// claim has to allow access from all of their nodes.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClaimName string `json:"claimName"`
}

// EmptyVolume is a folder of one replica.
type EmptyVolume struct {
	// medium is Memory for a folder in memory, which counts towards the container's
	// memory; empty for one on the node's disk.
	// +optional
	// +kubebuilder:validation:Enum=Memory
	Medium corev1.StorageMedium `json:"medium,omitempty"`
	// sizeLimit is the most that it holds; absent for no bound of its own.
	// +optional
	SizeLimit *resource.Quantity `json:"sizeLimit,omitempty"`
}

// FunctionResources are the resources of one replica.
type FunctionResources struct {
	// requests are reserved.
	// +optional
	Requests corev1.ResourceList `json:"requests,omitempty"`
	// limits are never exceeded.
	// +optional
	Limits corev1.ResourceList `json:"limits,omitempty"`
}

// EnvVar is an environment variable of a container.
type EnvVar struct {
	// name of the variable: any printable ASCII but =.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Pattern=`^[ -<>-~]+$`
	Name string `json:"name"`
	// value of the variable, as the container gets it: $(NAME) is no reference.
	// +optional
	Value string `json:"value,omitempty"`
}

// HealthCheck tells how to ask a container for its health.
type HealthCheck struct {
	// startup delays the other probes until it has succeeded once.
	// +optional
	Startup *HTTPProbe `json:"startup,omitempty"`
	// readiness decides whether the replica gets calls.
	// +optional
	Readiness *HTTPProbe `json:"readiness,omitempty"`
	// liveness decides whether the container is restarted.
	// +optional
	Liveness *HTTPProbe `json:"liveness,omitempty"`
}

// HTTPProbe asks the container's port with an HTTP GET.
type HTTPProbe struct {
	// path of the request, which starts with a slash.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Pattern=`^/`
	Path string `json:"path"`
	// initialDelaySeconds before the first request.
	// +optional
	// +kubebuilder:validation:Minimum=0
	InitialDelaySeconds int32 `json:"initialDelaySeconds,omitempty"`
	// periodSeconds between requests.
	// +optional
	// +kubebuilder:validation:Minimum=0
	PeriodSeconds int32 `json:"periodSeconds,omitempty"`
	// timeoutSeconds of one request.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TimeoutSeconds int32 `json:"timeoutSeconds,omitempty"`
	// failureThreshold is the number of failures in a row that counts.
	// +optional
	// +kubebuilder:validation:Minimum=0
	FailureThreshold int32 `json:"failureThreshold,omitempty"`
}
