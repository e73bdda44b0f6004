// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package pm

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// Package is a published set of classes and of the functions that implement
// their methods. Publishing a package runs nothing: a ClassDeployment does.
type Package struct {
	metav1.TypeMeta
	// metadata is standard object metadata.
	metav1.ObjectMeta

	// spec is what the developer published.
	Spec PackageSpec
	// status is what the Package Manager observed of the package.
	Status PackageStatus
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// PackageList is a list of packages.
type PackageList struct {
	metav1.TypeMeta
	// metadata is standard list metadata.
	metav1.ListMeta

	// items are the packages.
	Items []Package
}

// PackageSpec is what the developer published.
type PackageSpec struct {
	// version is the package's own version, a semantic version such as 1.4.0.
	// Shorter forms (1, 1.0) are accepted and kept as written.
	Version string
	// author is who published the package, at most 256 characters.
	Author string
	// description says what the package is for, at most 4096 characters.
	Description string
	// tags are free words to find the package by, at most 64 of at most 64
	// characters.
	Tags []string
	// disabled keeps the definition and refuses new deployments of its classes.
	Disabled bool
	// dependencies are the packages that this one needs.
	Dependencies []PackageDependency
	// classes are the object types that the package defines.
	Classes []ClassDefinition
	// functions implement the methods of the classes.
	Functions []FunctionDefinition
	// deployments are ClassDeployments that come, change and go with the package.
	Deployments []PackageDeployment
}

// PackageDeployment is a ClassDeployment that belongs to a package.
type PackageDeployment struct {
	// name of the ClassDeployment, in the package's namespace.
	Name string
	// labels of the ClassDeployment.
	Labels map[string]string
	// annotations of the ClassDeployment.
	Annotations map[string]string
	// spec of the ClassDeployment. Its packageName is this package and may be left
	// out.
	Spec ClassDeploymentSpec
}

// PackageDependency names a package that this one needs.
type PackageDependency struct {
	// name of the package, in the same namespace.
	Name string
	// version is a semantic version range such as ">=1.2 <2"; empty accepts any.
	Version string
}

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
	ObservedGeneration int64
	// conditions tell the state of the package: Ready, DependenciesResolved,
	// DeploymentsApplied.
	Conditions []metav1.Condition
	// deployments are the names of the ClassDeployments that use the package.
	Deployments []string
	// dependents are the packages that depend on this one. The API server keeps the
	// list as part of writing those packages; nobody else can change it.
	Dependents []PackageDependent
	// classCount is the number of classes.
	ClassCount int32
	// functionCount is the number of functions.
	FunctionCount int32
}

// PackageDependent is a package that depends on another one, and what it needs of
// it.
type PackageDependent struct {
	// name of the dependent package, in the same namespace.
	Name string
	// version is the range of versions that the dependent accepts; empty for any.
	Version string
	// functions are the keys of the functions that the dependent binds.
	Functions []string
	// since is when the dependent announced itself, which it does before it is
	// stored.
	Since metav1.Time
}
