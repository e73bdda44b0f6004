// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package pm

import (
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
	ObservedGeneration int64
	// conditions tell the state of the package: Ready, DependenciesResolved,
	// DeploymentsApplied.
	Conditions []metav1.Condition
	// deployments are the ClassDeployments that use the package, the first hundred by
	// name. The list is for people and follows within seconds; what is refused for the
	// sake of deployments does not depend on it.
	Deployments []string
	// dependents are the packages that depend on this one, the first hundred by name.
	// The list is for people and follows within seconds; what is refused for the sake
	// of dependents does not depend on it. Only the API server can write it.
	Dependents []PackageDependent
	// classCount is the number of classes.
	ClassCount int32
	// functionCount is the number of functions.
	FunctionCount int32
	// dependentCount is the number of packages that depend on this one, of which
	// dependents names the first. Only the API server can write it.
	DependentCount int32
	// deploymentCount is the number of ClassDeployments that use the package, of which
	// deployments names the first.
	DeploymentCount int32
}

// PackageDependent is a package that depends on another one, and what it needs of
// it.
type PackageDependent struct {
	// name of the dependent package, in the same namespace.
	Name string
	// version is the range of versions that the dependent accepts; empty for any.
	Version string
	// functions are the keys of the functions that the dependent binds, the first ten in
	// order.
	Functions []string
	// since is when the dependent was first seen to depend.
	Since metav1.Time
	// functionCount is the number of functions that the dependent binds, of which
	// functions names the first.
	FunctionCount int32
}
