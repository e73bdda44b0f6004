// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
)

// ClassDefinition is an object type: its state and its methods.
type ClassDefinition struct {
	// key names the class within the package: letters, digits, dots, dashes and
	// underscores, at most 200 characters, such as Record or shop.Cart.
	// +required
	// +k8s:required
	// +k8s:maxLength=200
	Key string `json:"key" protobuf:"bytes,1,opt,name=key"`
	// description says what objects of the class stand for.
	// +optional
	// +k8s:optional
	// +k8s:maxLength=4096
	Description string `json:"description,omitempty" protobuf:"bytes,2,opt,name=description"`
	// disabled keeps the definition and refuses new deployments of the class.
	// +optional
	Disabled bool `json:"disabled,omitempty" protobuf:"varint,3,opt,name=disabled"`
	// stateSpec describes the state of an object; absent for a stateless class.
	// +optional
	// +k8s:optional
	StateSpec *StateSpec `json:"stateSpec,omitempty" protobuf:"bytes,4,opt,name=stateSpec"`
	// functionBindings are the methods of the class.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +patchMergeKey=name
	// +patchStrategy=merge
	// +k8s:optional
	// +k8s:listType=map
	// +k8s:listMapKey=name
	// +k8s:maxItems=500
	FunctionBindings []FunctionBinding `json:"functionBindings,omitempty" patchStrategy:"merge" patchMergeKey:"name" protobuf:"bytes,5,rep,name=functionBindings"`
	// options are passed to the class runtime as they stand.
	// +optional
	// +k8s:optional
	// +k8s:eachKey=+k8s:minLength=1
	Options map[string]string `json:"options,omitempty" protobuf:"bytes,6,rep,name=options"`
}

// ConsistencyModel is the promise that the data grid makes to a reader.
// +enum
// +k8s:enum
type ConsistencyModel string

const (
	// ConsistencyNone makes no promise.
	ConsistencyNone ConsistencyModel = "None"
	// ConsistencyReadYourWrite lets a writer read what it wrote.
	ConsistencyReadYourWrite ConsistencyModel = "ReadYourWrite"
	// ConsistencyBoundedStaleness bounds how old a read may be.
	ConsistencyBoundedStaleness ConsistencyModel = "BoundedStaleness"
	// ConsistencyStrong makes every read see the last acknowledged write.
	ConsistencyStrong ConsistencyModel = "Strong"
)

// StateSpec describes the state of the objects of a class.
type StateSpec struct {
	// keySpecs are the named parts of the state.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +patchMergeKey=name
	// +patchStrategy=merge
	// +k8s:optional
	// +k8s:listType=map
	// +k8s:listMapKey=name
	// +k8s:maxItems=500
	KeySpecs []KeySpec `json:"keySpecs,omitempty" patchStrategy:"merge" patchMergeKey:"name" protobuf:"bytes,1,rep,name=keySpecs"`
	// defaultProvider names the storage provider; empty leaves the choice to the
	// class runtime.
	// +optional
	// +k8s:optional
	// +k8s:maxLength=200
	DefaultProvider string `json:"defaultProvider,omitempty" protobuf:"bytes,2,opt,name=defaultProvider"`
	// consistencyModel is the promise made to a reader. Defaults to None.
	// +optional
	// +default="None"
	// +k8s:optional
	ConsistencyModel ConsistencyModel `json:"consistencyModel,omitempty" protobuf:"bytes,3,opt,name=consistencyModel,casttype=ConsistencyModel"`
	// persistent keeps the state across restarts of the data grid.
	// +optional
	Persistent bool `json:"persistent,omitempty" protobuf:"varint,4,opt,name=persistent"`
	// serializationFormat names the encoding of stored values, such as json.
	// +optional
	// +k8s:optional
	// +k8s:maxLength=64
	SerializationFormat string `json:"serializationFormat,omitempty" protobuf:"bytes,5,opt,name=serializationFormat"`
	// requiresSingleton keeps all objects in one partition.
	// +optional
	RequiresSingleton bool `json:"requiresSingleton,omitempty" protobuf:"varint,6,opt,name=requiresSingleton"`
	// supportsBatchOperations lets callers read many objects at once.
	// +optional
	SupportsBatchOperations bool `json:"supportsBatchOperations,omitempty" protobuf:"varint,7,opt,name=supportsBatchOperations"`
}

// KeySpec is a named part of an object's state.
type KeySpec struct {
	// name of the part.
	// +required
	// +k8s:required
	// +k8s:maxLength=200
	Name string `json:"name" protobuf:"bytes,1,opt,name=name"`
	// type of the part, such as string or bytes.
	// +optional
	// +k8s:optional
	// +k8s:maxLength=64
	Type string `json:"type,omitempty" protobuf:"bytes,2,opt,name=type"`
}

// AccessModifier tells who may call a method.
// +enum
// +k8s:enum
type AccessModifier string

const (
	// AccessPublic lets anybody call the method.
	AccessPublic AccessModifier = "Public"
	// AccessInternal lets functions of the same package call the method.
	AccessInternal AccessModifier = "Internal"
	// AccessPrivate lets functions of the same class call the method.
	AccessPrivate AccessModifier = "Private"
)

// FunctionBinding makes a function a method of a class. Several bindings may
// name one function; they share one workload.
type FunctionBinding struct {
	// name of the method, unique in the class.
	// +required
	// +k8s:required
	// +k8s:maxLength=200
	Name string `json:"name" protobuf:"bytes,1,opt,name=name"`
	// functionKey is the key of a function of the same package, or of a dependency
	// as <package>.<function>. A function of the package itself comes first.
	// +required
	// +k8s:required
	// +k8s:maxLength=264
	FunctionKey string `json:"functionKey" protobuf:"bytes,2,opt,name=functionKey"`
	// accessModifier tells who may call the method. Defaults to Public.
	// +optional
	// +default="Public"
	// +k8s:optional
	AccessModifier AccessModifier `json:"accessModifier,omitempty" protobuf:"bytes,3,opt,name=accessModifier,casttype=AccessModifier"`
	// stateless methods do not read or write the object's state.
	// +optional
	Stateless bool `json:"stateless,omitempty" protobuf:"varint,4,opt,name=stateless"`
	// parameters are the names of the method's parameters, in order.
	// +optional
	// +listType=atomic
	// +k8s:optional
	// +k8s:maxItems=128
	// +k8s:eachVal=+k8s:maxLength=200
	Parameters []string `json:"parameters,omitempty" protobuf:"bytes,5,rep,name=parameters"`
	// triggerOnStateChange calls the method whenever the object's state changes.
	// +optional
	TriggerOnStateChange bool `json:"triggerOnStateChange,omitempty" protobuf:"varint,6,opt,name=triggerOnStateChange"`
	// asyncExecution runs the triggered call without anybody waiting for it.
	// +optional
	AsyncExecution bool `json:"asyncExecution,omitempty" protobuf:"varint,7,opt,name=asyncExecution"`
}

// FunctionType tells how a function is provided.
// +enum
// +k8s:enum
type FunctionType string

const (
	// FunctionBuiltin is implemented by the platform.
	FunctionBuiltin FunctionType = "Builtin"
	// FunctionCustom is a container image.
	FunctionCustom FunctionType = "Custom"
	// FunctionMacro is a composition of other functions.
	FunctionMacro FunctionType = "Macro"
	// FunctionLogical has no implementation of its own.
	FunctionLogical FunctionType = "Logical"
	// FunctionWasm is a WebAssembly module that the data grid runs.
	FunctionWasm FunctionType = "Wasm"
)

// FunctionDefinition implements methods of classes.
type FunctionDefinition struct {
	// key names the function within the package: letters, digits, dots, dashes
	// and underscores, at most 200 characters, such as Record.echo.
	// +required
	// +k8s:required
	// +k8s:maxLength=200
	Key string `json:"key" protobuf:"bytes,1,opt,name=key"`
	// type tells how the function is provided. Only Custom functions have a
	// workload of their own. Defaults to Custom.
	// +optional
	// +default="Custom"
	// +k8s:optional
	Type FunctionType `json:"type,omitempty" protobuf:"bytes,2,opt,name=type,casttype=FunctionType"`
	// description says what the function does.
	// +optional
	// +k8s:optional
	// +k8s:maxLength=4096
	Description string `json:"description,omitempty" protobuf:"bytes,3,opt,name=description"`
	// provision says what to run and how.
	// +optional
	// +k8s:optional
	Provision *FunctionProvision `json:"provision,omitempty" protobuf:"bytes,4,opt,name=provision"`
	// config becomes environment variables of the function's containers.
	// +optional
	Config map[string]string `json:"config,omitempty" protobuf:"bytes,5,rep,name=config"`
	// disabled keeps the definition and refuses new deployments of the classes
	// that bind the function.
	// +optional
	Disabled bool `json:"disabled,omitempty" protobuf:"varint,6,opt,name=disabled"`
	// secretConfig are environment variables of the function's containers whose
	// values are in Secrets. The Secrets are not sent: they must be in the namespace
	// that each cluster runs the deployment in.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +patchMergeKey=name
	// +patchStrategy=merge
	// +k8s:optional
	// +k8s:listType=map
	// +k8s:listMapKey=name
	// +k8s:maxItems=256
	SecretConfig []SecretVariable `json:"secretConfig,omitempty" patchStrategy:"merge" patchMergeKey:"name" protobuf:"bytes,7,rep,name=secretConfig"`
}

// SecretVariable is an environment variable whose value is in a Secret.
type SecretVariable struct {
	// name of the variable.
	// +required
	// +k8s:required
	// +k8s:maxLength=253
	Name string `json:"name" protobuf:"bytes,1,opt,name=name"`
	// secretName is the name of the Secret.
	// +required
	// +k8s:required
	// +k8s:format=k8s-long-name
	SecretName string `json:"secretName" protobuf:"bytes,2,opt,name=secretName"`
	// key in the Secret.
	// +required
	// +k8s:required
	// +k8s:maxLength=253
	Key string `json:"key" protobuf:"bytes,3,opt,name=key"`
	// optional lets the container start without the Secret or the key.
	// +optional
	Optional bool `json:"optional,omitempty" protobuf:"varint,4,opt,name=optional"`
}

// FunctionProvision says what to run for a function and how.
type FunctionProvision struct {
	// image is the container image; required for a Custom function.
	// +optional
	// +k8s:optional
	// +k8s:maxLength=1024
	Image string `json:"image,omitempty" protobuf:"bytes,1,opt,name=image"`
	// wasmModuleURL is where the module is fetched from; required for a Wasm
	// function.
	// +optional
	// +k8s:optional
	// +k8s:maxLength=2048
	WasmModuleURL string `json:"wasmModuleURL,omitempty" protobuf:"bytes,2,opt,name=wasmModuleURL"`
	// wasmFuel bounds the instructions of one call; 0 leaves it to the runtime.
	// +optional
	// +k8s:optional
	// +k8s:minimum=0
	WasmFuel int64 `json:"wasmFuel,omitempty" protobuf:"varint,3,opt,name=wasmFuel"`
	// port on which the container serves HTTP. Defaults to 8080 for a Custom
	// function.
	// +optional
	// +k8s:optional
	// +k8s:minimum=1
	// +k8s:maximum=65535
	Port int32 `json:"port,omitempty" protobuf:"varint,4,opt,name=port"`
	// maxConcurrency bounds the calls that one replica handles at a time; 0
	// means no bound.
	// +optional
	// +k8s:optional
	// +k8s:minimum=0
	MaxConcurrency int32 `json:"maxConcurrency,omitempty" protobuf:"varint,5,opt,name=maxConcurrency"`
	// needHTTP2 asks for HTTP/2 without TLS (h2c) between the platform and the
	// container.
	// +optional
	NeedHTTP2 bool `json:"needHTTP2,omitempty" protobuf:"varint,6,opt,name=needHTTP2"`
	// resources of one replica.
	// +optional
	Resources FunctionResources `json:"resources,omitempty" protobuf:"bytes,7,opt,name=resources"`
	// minScale is the least number of replicas; wins over what the requirements
	// would give.
	// +optional
	// +k8s:optional
	// +k8s:minimum=0
	MinScale *int32 `json:"minScale,omitempty" protobuf:"varint,8,opt,name=minScale"`
	// maxScale is the greatest number of replicas; wins over what the
	// requirements would give.
	// +optional
	// +k8s:optional
	// +k8s:minimum=0
	MaxScale *int32 `json:"maxScale,omitempty" protobuf:"varint,9,opt,name=maxScale"`
	// probes tell the platform how to ask the container for its health; absent
	// probes connect to the port.
	// +optional
	// +k8s:optional
	Probes *FunctionProbes `json:"probes,omitempty" protobuf:"bytes,10,opt,name=probes"`
	// volumeMounts are files that the container gets beside those of its image. They
	// are not sent: what a mount names must be in the namespace that each cluster runs
	// the deployment in.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +patchMergeKey=name
	// +patchStrategy=merge
	// +k8s:optional
	// +k8s:listType=map
	// +k8s:listMapKey=name
	// +k8s:maxItems=64
	VolumeMounts []VolumeMount `json:"volumeMounts,omitempty" patchStrategy:"merge" patchMergeKey:"name" protobuf:"bytes,11,rep,name=volumeMounts"`
}

// VolumeMount puts files of a cluster into a container. Exactly one of configMap,
// secret, persistentVolumeClaim and emptyDir is set.
type VolumeMount struct {
	// name of the volume, a DNS label of at most 50 characters.
	// +required
	// +k8s:required
	// +k8s:maxLength=50
	// +k8s:format=k8s-short-name
	Name string `json:"name" protobuf:"bytes,1,opt,name=name"`
	// mountPath is the folder in the container, an absolute path below / that no other
	// mount has.
	// +required
	// +k8s:required
	// +k8s:maxBytes=1024
	MountPath string `json:"mountPath" protobuf:"bytes,2,opt,name=mountPath"`
	// subPath is the file or folder of the volume to mount, a relative path without
	// ..; empty mounts all of it.
	// +optional
	// +k8s:optional
	// +k8s:maxBytes=1024
	SubPath string `json:"subPath,omitempty" protobuf:"bytes,3,opt,name=subPath"`
	// readOnly keeps the container from writing. Volumes of ConfigMaps and Secrets
	// never let it.
	// +optional
	ReadOnly bool `json:"readOnly,omitempty" protobuf:"varint,4,opt,name=readOnly"`
	// configMap has a file for each key.
	// +optional
	// +k8s:optional
	ConfigMap *ObjectVolume `json:"configMap,omitempty" protobuf:"bytes,5,opt,name=configMap"`
	// secret has a file for each key.
	// +optional
	// +k8s:optional
	Secret *ObjectVolume `json:"secret,omitempty" protobuf:"bytes,6,opt,name=secret"`
	// persistentVolumeClaim is there already, and stays when the deployment goes.
	// +optional
	// +k8s:optional
	PersistentVolumeClaim *ClaimVolume `json:"persistentVolumeClaim,omitempty" protobuf:"bytes,7,opt,name=persistentVolumeClaim"`
	// emptyDir is empty when a replica starts, and lost when it ends.
	// +optional
	// +k8s:optional
	EmptyDir *EmptyVolume `json:"emptyDir,omitempty" protobuf:"bytes,8,opt,name=emptyDir"`
}

// ObjectVolume is a ConfigMap or a Secret.
type ObjectVolume struct {
	// name of the object.
	// +required
	// +k8s:required
	// +k8s:format=k8s-long-name
	Name string `json:"name" protobuf:"bytes,1,opt,name=name"`
	// optional lets the container start without the object.
	// +optional
	Optional bool `json:"optional,omitempty" protobuf:"varint,2,opt,name=optional"`
}

// ClaimVolume is a PersistentVolumeClaim.
type ClaimVolume struct {
	// claimName is the name of the claim. Where the function has several replicas, the
	// claim has to allow access from all of their nodes.
	// +required
	// +k8s:required
	// +k8s:format=k8s-long-name
	ClaimName string `json:"claimName" protobuf:"bytes,1,opt,name=claimName"`
}

// VolumeMedium tells where an empty volume is kept.
// +enum
// +k8s:enum
type VolumeMedium string

const (
	// VolumeMediumMemory keeps it in memory, which counts towards the container's.
	VolumeMediumMemory VolumeMedium = "Memory"
)

// EmptyVolume is a folder of one replica.
type EmptyVolume struct {
	// medium is Memory for a folder in memory, which counts towards the container's
	// memory; empty for one on the node's disk.
	// +optional
	// +k8s:optional
	Medium VolumeMedium `json:"medium,omitempty" protobuf:"bytes,1,opt,name=medium,casttype=VolumeMedium"`
	// sizeLimit is the most that it holds; absent for no bound of its own.
	// +optional
	SizeLimit *resource.Quantity `json:"sizeLimit,omitempty" protobuf:"bytes,2,opt,name=sizeLimit"`
}

// FunctionResources are the resources of one replica of a function.
type FunctionResources struct {
	// requests are reserved, keyed by resource name, such as cpu or memory.
	// +optional
	Requests map[string]resource.Quantity `json:"requests,omitempty" protobuf:"bytes,1,rep,name=requests"`
	// limits are never exceeded, keyed by resource name, such as cpu or memory.
	// +optional
	Limits map[string]resource.Quantity `json:"limits,omitempty" protobuf:"bytes,2,rep,name=limits"`
}

// FunctionProbes tell the platform how to ask a container for its health.
type FunctionProbes struct {
	// startup delays the other probes until it has succeeded once.
	// +optional
	// +k8s:optional
	Startup *HTTPProbe `json:"startup,omitempty" protobuf:"bytes,1,opt,name=startup"`
	// readiness decides whether the replica gets calls.
	// +optional
	// +k8s:optional
	Readiness *HTTPProbe `json:"readiness,omitempty" protobuf:"bytes,2,opt,name=readiness"`
	// liveness decides whether the container is restarted.
	// +optional
	// +k8s:optional
	Liveness *HTTPProbe `json:"liveness,omitempty" protobuf:"bytes,3,opt,name=liveness"`
}

// HTTPProbe asks the container's port with an HTTP GET.
type HTTPProbe struct {
	// path of the request, such as /healthz.
	// +required
	// +k8s:required
	// +k8s:maxLength=2048
	Path string `json:"path" protobuf:"bytes,1,opt,name=path"`
	// initialDelaySeconds before the first request. Defaults to 0.
	// +optional
	// +k8s:optional
	// +k8s:minimum=0
	InitialDelaySeconds int32 `json:"initialDelaySeconds,omitempty" protobuf:"varint,2,opt,name=initialDelaySeconds"`
	// periodSeconds between requests. Defaults to 10.
	// +optional
	// +k8s:optional
	// +k8s:minimum=1
	PeriodSeconds int32 `json:"periodSeconds,omitempty" protobuf:"varint,3,opt,name=periodSeconds"`
	// timeoutSeconds of one request. Defaults to 1.
	// +optional
	// +k8s:optional
	// +k8s:minimum=1
	TimeoutSeconds int32 `json:"timeoutSeconds,omitempty" protobuf:"varint,4,opt,name=timeoutSeconds"`
	// failureThreshold is the number of failures in a row that counts. Defaults
	// to 3.
	// +optional
	// +k8s:optional
	// +k8s:minimum=1
	FailureThreshold int32 `json:"failureThreshold,omitempty" protobuf:"varint,5,opt,name=failureThreshold"`
}
