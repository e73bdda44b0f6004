// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
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

// PackageDependedOnAnnotation is on every package that others depend on, or did
// once. The server sets it before the first of them is stored, and keeps it; clients
// can neither set it nor take it away.
const PackageDependedOnAnnotation = "pm.oaas.io/depended-on"

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
	// deployments are the ClassDeployments that use the package, the first hundred by
	// name. The list is for people and follows within seconds; what is refused for the
	// sake of deployments does not depend on it.
	// +optional
	// +listType=set
	Deployments []string `json:"deployments,omitempty" protobuf:"bytes,3,rep,name=deployments"`
	// dependents are the packages that depend on this one, the first hundred by name.
	// The list is for people and follows within seconds; what is refused for the sake
	// of dependents does not depend on it. Only the API server can write it.
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
	// dependentCount is the number of packages that depend on this one, of which
	// dependents names the first. Only the API server can write it.
	// +optional
	DependentCount int32 `json:"dependentCount,omitempty" protobuf:"varint,7,opt,name=dependentCount"`
	// deploymentCount is the number of ClassDeployments that use the package, of which
	// deployments names the first.
	// +optional
	DeploymentCount int32 `json:"deploymentCount,omitempty" protobuf:"varint,8,opt,name=deploymentCount"`
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
	// functions are the keys of the functions that the dependent binds, the first ten in
	// order.
	// +optional
	// +listType=set
	Functions []string `json:"functions,omitempty" protobuf:"bytes,3,rep,name=functions"`
	// since is when the dependent was first seen to depend.
	// +required
	Since metav1.Time `json:"since" protobuf:"bytes,4,opt,name=since"`
	// functionCount is the number of functions that the dependent binds, of which
	// functions names the first.
	// +optional
	FunctionCount int32 `json:"functionCount,omitempty" protobuf:"varint,5,opt,name=functionCount"`
}
