// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package pm

import (
	"k8s.io/apimachinery/pkg/api/resource"
)

// ClassDefinition is an object type: its state and its methods.
type ClassDefinition struct {
	// key names the class within the package: letters, digits, dots, dashes and
	// underscores, at most 200 characters, such as Record or shop.Cart.
	Key string
	// description says what objects of the class stand for.
	Description string
	// disabled keeps the definition and refuses new deployments of the class.
	Disabled bool
	// stateSpec describes the state of an object; absent for a stateless class.
	StateSpec *StateSpec
	// functionBindings are the methods of the class.
	FunctionBindings []FunctionBinding
	// options are passed to the class runtime as they stand.
	Options map[string]string
}

// ConsistencyModel is the promise that the data grid makes to a reader.
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
	KeySpecs []KeySpec
	// defaultProvider names the storage provider; empty leaves the choice to the
	// class runtime.
	DefaultProvider string
	// consistencyModel is the promise made to a reader. Defaults to None.
	ConsistencyModel ConsistencyModel
	// persistent keeps the state across restarts of the data grid.
	Persistent bool
	// serializationFormat names the encoding of stored values, such as json.
	SerializationFormat string
	// requiresSingleton keeps all objects in one partition.
	RequiresSingleton bool
	// supportsBatchOperations lets callers read many objects at once.
	SupportsBatchOperations bool
}

// KeySpec is a named part of an object's state.
type KeySpec struct {
	// name of the part.
	Name string
	// type of the part, such as string or bytes.
	Type string
}

// AccessModifier tells who may call a method.
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
	Name string
	// functionKey is the key of a function of the same package, or of a dependency
	// as <package>.<function>. A function of the package itself comes first.
	FunctionKey string
	// accessModifier tells who may call the method. Defaults to Public.
	AccessModifier AccessModifier
	// stateless methods do not read or write the object's state.
	Stateless bool
	// parameters are the names of the method's parameters, in order.
	Parameters []string
	// triggerOnStateChange calls the method whenever the object's state changes.
	TriggerOnStateChange bool
	// asyncExecution runs the triggered call without anybody waiting for it.
	AsyncExecution bool
}

// FunctionType tells how a function is provided.
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
	Key string
	// type tells how the function is provided. Only Custom functions have a
	// workload of their own. Defaults to Custom.
	Type FunctionType
	// description says what the function does.
	Description string
	// provision says what to run and how.
	Provision *FunctionProvision
	// config becomes environment variables of the function's containers.
	Config map[string]string
	// disabled keeps the definition and refuses new deployments of the classes
	// that bind the function.
	Disabled bool
	// secretConfig are environment variables of the function's containers whose
	// values are in Secrets. The Secrets are not sent: they must be in the namespace
	// that each cluster runs the deployment in.
	SecretConfig []SecretVariable
}

// SecretVariable is an environment variable whose value is in a Secret.
type SecretVariable struct {
	// name of the variable.
	Name string
	// secretName is the name of the Secret.
	SecretName string
	// key in the Secret.
	Key string
	// optional lets the container start without the Secret or the key.
	Optional bool
}

// FunctionProvision says what to run for a function and how.
type FunctionProvision struct {
	// image is the container image; required for a Custom function.
	Image string
	// wasmModuleURL is where the module is fetched from; required for a Wasm
	// function.
	WasmModuleURL string
	// wasmFuel bounds the instructions of one call; 0 leaves it to the runtime.
	WasmFuel int64
	// port on which the container serves HTTP. Defaults to 8080 for a Custom
	// function.
	Port int32
	// maxConcurrency bounds the calls that one replica handles at a time; 0
	// means no bound.
	MaxConcurrency int32
	// needHTTP2 asks for HTTP/2 without TLS (h2c) between the platform and the
	// container.
	NeedHTTP2 bool
	// resources of one replica.
	Resources FunctionResources
	// minScale is the least number of replicas; wins over what the requirements
	// would give.
	MinScale *int32
	// maxScale is the greatest number of replicas; wins over what the
	// requirements would give.
	MaxScale *int32
	// probes tell the platform how to ask the container for its health; absent
	// probes connect to the port.
	Probes *FunctionProbes
	// volumeMounts are files that the container gets beside those of its image. They
	// are not sent: what a mount names must be in the namespace that each cluster runs
	// the deployment in.
	VolumeMounts []VolumeMount
}

// VolumeMount puts files of a cluster into a container. Exactly one of configMap,
// secret, persistentVolumeClaim and emptyDir is set.
type VolumeMount struct {
	// name of the volume, a DNS label of at most 50 characters.
	Name string
	// mountPath is the folder in the container, an absolute path below / that no other
	// mount has.
	MountPath string
	// subPath is the file or folder of the volume to mount, a relative path without
	// ..; empty mounts all of it.
	SubPath string
	// readOnly keeps the container from writing. Volumes of ConfigMaps and Secrets
	// never let it.
	ReadOnly bool
	// configMap has a file for each key.
	ConfigMap *ObjectVolume
	// secret has a file for each key.
	Secret *ObjectVolume
	// persistentVolumeClaim is there already, and stays when the deployment goes.
	PersistentVolumeClaim *ClaimVolume
	// emptyDir is empty when a replica starts, and lost when it ends.
	EmptyDir *EmptyVolume
}

// ObjectVolume is a ConfigMap or a Secret.
type ObjectVolume struct {
	// name of the object.
	Name string
	// optional lets the container start without the object.
	Optional bool
}

// ClaimVolume is a PersistentVolumeClaim.
type ClaimVolume struct {
	// claimName is the name of the claim. Where the function has several replicas, the
	// claim has to allow access from all of their nodes.
	ClaimName string
}

// VolumeMedium tells where an empty volume is kept.
type VolumeMedium string

const (
	// VolumeMediumMemory keeps it in memory, which counts towards the container's.
	VolumeMediumMemory VolumeMedium = "Memory"
)

// EmptyVolume is a folder of one replica.
type EmptyVolume struct {
	// medium is Memory for a folder in memory, which counts towards the container's
	// memory; empty for one on the node's disk.
	Medium VolumeMedium
	// sizeLimit is the most that it holds; absent for no bound of its own.
	SizeLimit *resource.Quantity
}

// FunctionResources are the resources of one replica of a function.
type FunctionResources struct {
	// requests are reserved, keyed by resource name, such as cpu or memory.
	Requests map[string]resource.Quantity
	// limits are never exceeded, keyed by resource name, such as cpu or memory.
	Limits map[string]resource.Quantity
}

// FunctionProbes tell the platform how to ask a container for its health.
type FunctionProbes struct {
	// startup delays the other probes until it has succeeded once.
	Startup *HTTPProbe
	// readiness decides whether the replica gets calls.
	Readiness *HTTPProbe
	// liveness decides whether the container is restarted.
	Liveness *HTTPProbe
}

// HTTPProbe asks the container's port with an HTTP GET.
type HTTPProbe struct {
	// path of the request, such as /healthz.
	Path string
	// initialDelaySeconds before the first request. Defaults to 0.
	InitialDelaySeconds int32
	// periodSeconds between requests. Defaults to 10.
	PeriodSeconds int32
	// timeoutSeconds of one request. Defaults to 1.
	TimeoutSeconds int32
	// failureThreshold is the number of failures in a row that counts. Defaults
	// to 3.
	FailureThreshold int32
}
