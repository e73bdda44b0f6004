// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +k8s:prerelease-lifecycle-gen:introduced=1.0
// +k8s:supportsSubresource="/status"

// Package is a published set of classes and of the functions that implement
// their methods. Publishing a package runs nothing: a ClassDeployment does.
type Package struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// spec is what the developer published.
	// +required
	Spec PackageSpec `json:"spec" protobuf:"bytes,2,opt,name=spec"`
	// status is what the Package Manager observed of the package.
	// +optional
	Status PackageStatus `json:"status,omitempty" protobuf:"bytes,3,opt,name=status"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// PackageList is a list of packages.
type PackageList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// items are the packages.
	Items []Package `json:"items" protobuf:"bytes,2,rep,name=items"`
}

// PackageSpec is what the developer published.
type PackageSpec struct {
	// version is the package's own version, a semantic version such as 1.4.0.
	// Shorter forms (1, 1.0) are accepted and kept as written.
	// +optional
	// +k8s:optional
	// +k8s:maxLength=256
	Version string `json:"version,omitempty" protobuf:"bytes,1,opt,name=version"`
	// author is who published the package, at most 256 characters.
	// +optional
	// +k8s:optional
	// +k8s:maxLength=256
	Author string `json:"author,omitempty" protobuf:"bytes,2,opt,name=author"`
	// description says what the package is for, at most 4096 characters.
	// +optional
	// +k8s:optional
	// +k8s:maxLength=4096
	Description string `json:"description,omitempty" protobuf:"bytes,3,opt,name=description"`
	// tags are free words to find the package by, at most 64 of at most 64
	// characters.
	// +optional
	// +listType=set
	// +k8s:optional
	// +k8s:listType=set
	// +k8s:maxItems=64
	// +k8s:eachVal=+k8s:maxLength=64
	Tags []string `json:"tags,omitempty" protobuf:"bytes,4,rep,name=tags"`
	// disabled keeps the definition and refuses new deployments of its classes.
	// +optional
	Disabled bool `json:"disabled,omitempty" protobuf:"varint,5,opt,name=disabled"`
	// dependencies are the packages that this one needs.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +patchMergeKey=name
	// +patchStrategy=merge
	// +k8s:optional
	// +k8s:listType=map
	// +k8s:listMapKey=name
	// +k8s:maxItems=128
	Dependencies []PackageDependency `json:"dependencies,omitempty" patchStrategy:"merge" patchMergeKey:"name" protobuf:"bytes,6,rep,name=dependencies"`
	// classes are the object types that the package defines.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +patchMergeKey=key
	// +patchStrategy=merge
	// +k8s:optional
	// +k8s:listType=map
	// +k8s:listMapKey=key
	// +k8s:customUnique
	// +k8s:maxItems=10000
	Classes []ClassDefinition `json:"classes,omitempty" patchStrategy:"merge" patchMergeKey:"key" protobuf:"bytes,7,rep,name=classes"`
	// functions implement the methods of the classes.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +patchMergeKey=key
	// +patchStrategy=merge
	// +k8s:optional
	// +k8s:listType=map
	// +k8s:listMapKey=key
	// +k8s:customUnique
	// +k8s:maxItems=10000
	Functions []FunctionDefinition `json:"functions,omitempty" patchStrategy:"merge" patchMergeKey:"key" protobuf:"bytes,8,rep,name=functions"`
	// deployments are ClassDeployments that come, change and go with the package.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +patchMergeKey=name
	// +patchStrategy=merge
	// +k8s:optional
	// +k8s:listType=map
	// +k8s:listMapKey=name
	// +k8s:maxItems=500
	Deployments []PackageDeployment `json:"deployments,omitempty" patchStrategy:"merge" patchMergeKey:"name" protobuf:"bytes,9,rep,name=deployments"`
}

// PackageDeployment is a ClassDeployment that belongs to a package.
type PackageDeployment struct {
	// name of the ClassDeployment, in the package's namespace.
	// +required
	// +k8s:required
	// +k8s:format=k8s-short-name
	Name string `json:"name" protobuf:"bytes,1,opt,name=name"`
	// labels of the ClassDeployment.
	// +optional
	Labels map[string]string `json:"labels,omitempty" protobuf:"bytes,2,rep,name=labels"`
	// annotations of the ClassDeployment.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty" protobuf:"bytes,3,rep,name=annotations"`
	// spec of the ClassDeployment. Its packageName is this package and may be left
	// out.
	// +required
	Spec ClassDeploymentSpec `json:"spec" protobuf:"bytes,4,opt,name=spec"`
}

// PackageDependency names a package that this one needs.
type PackageDependency struct {
	// name of the package, in the same namespace.
	// +required
	// +k8s:required
	// +k8s:format=k8s-short-name
	Name string `json:"name" protobuf:"bytes,1,opt,name=name"`
	// version is a semantic version range such as ">=1.2 <2"; empty accepts any.
	// +optional
	// +k8s:optional
	// +k8s:maxLength=256
	Version string `json:"version,omitempty" protobuf:"bytes,2,opt,name=version"`
}

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

const (
	// PackageReady is True when the package can be deployed.
	PackageReady = "Ready"
	// PackageDependenciesResolved is True when every dependency exists in a version
	// that fits.
	PackageDependenciesResolved = "DependenciesResolved"
	// PackageDeploymentsApplied is True when the package's own deployments are as
	// the package says; absent when it never had any.
	PackageDeploymentsApplied = "DeploymentsApplied"
)

// PackageFinalizer keeps a package that is deleted together with its deployments
// until all of them are gone from their clusters.
const PackageFinalizer = "pm.oaas.io/undeploy-classes"

// PackageStatus is what the Package Manager observed of a package.
type PackageStatus struct {
	// observedGeneration is the generation that the status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty" protobuf:"varint,1,opt,name=observedGeneration"`
	// conditions tell the state of the package: Ready, DependenciesResolved,
	// DeploymentsApplied.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchMergeKey=type
	// +patchStrategy=merge
	// +k8s:optional
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type" protobuf:"bytes,2,rep,name=conditions"`
	// deployments are the names of the ClassDeployments that use the package.
	// +optional
	// +listType=set
	Deployments []string `json:"deployments,omitempty" protobuf:"bytes,3,rep,name=deployments"`
	// dependents are the packages that depend on this one. The API server keeps the
	// list as part of writing those packages; nobody else can change it.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +patchMergeKey=name
	// +patchStrategy=merge
	Dependents []PackageDependent `json:"dependents,omitempty" patchStrategy:"merge" patchMergeKey:"name" protobuf:"bytes,4,rep,name=dependents"`
	// classCount is the number of classes.
	// +optional
	ClassCount int32 `json:"classCount,omitempty" protobuf:"varint,5,opt,name=classCount"`
	// functionCount is the number of functions.
	// +optional
	FunctionCount int32 `json:"functionCount,omitempty" protobuf:"varint,6,opt,name=functionCount"`
}

// PackageDependent is a package that depends on another one, and what it needs of
// it.
type PackageDependent struct {
	// name of the dependent package, in the same namespace.
	// +required
	Name string `json:"name" protobuf:"bytes,1,opt,name=name"`
	// version is the range of versions that the dependent accepts; empty for any.
	// +optional
	Version string `json:"version,omitempty" protobuf:"bytes,2,opt,name=version"`
	// functions are the keys of the functions that the dependent binds.
	// +optional
	// +listType=set
	Functions []string `json:"functions,omitempty" protobuf:"bytes,3,rep,name=functions"`
	// since is when the dependent announced itself, which it does before it is
	// stored.
	// +required
	Since metav1.Time `json:"since" protobuf:"bytes,4,opt,name=since"`
}
