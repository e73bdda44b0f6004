// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package pm

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PackageLabel is the label of classes and functions that names their package.
const PackageLabel = "pm.oaas.io/package"

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// Class is a class of a published package, to be read only: the package defines
// it. Its name is <package>.<key>; it has the labels of its package, and
// pm.oaas.io/package besides.
type Class struct {
	metav1.TypeMeta
	// metadata is standard object metadata. The resource version is comparable with
	// those of other classes only.
	metav1.ObjectMeta

	// spec is what the package says of the class.
	Spec ClassSpec
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// ClassList is a list of classes.
type ClassList struct {
	metav1.TypeMeta
	// metadata is standard list metadata.
	metav1.ListMeta

	// items are the classes.
	Items []Class
}

// ClassSpec is what a package says of a class.
type ClassSpec struct {
	// packageName is the package that defines the class.
	PackageName string
	// packageVersion is the version of that package.
	PackageVersion string
	// packageDisabled is true when no class of the package takes new deployments.
	PackageDisabled bool
	// The definition as it stands in the package.
	ClassDefinition
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// Function is a function of a published package, to be read only: the package
// defines it. Its name is <package>.<key>; it has the labels of its package, and
// pm.oaas.io/package besides.
type Function struct {
	metav1.TypeMeta
	// metadata is standard object metadata. The resource version is comparable with
	// those of other functions only.
	metav1.ObjectMeta

	// spec is what the package says of the function.
	Spec FunctionSpec
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// FunctionList is a list of functions.
type FunctionList struct {
	metav1.TypeMeta
	// metadata is standard list metadata.
	metav1.ListMeta

	// items are the functions.
	Items []Function
}

// FunctionSpec is what a package says of a function.
type FunctionSpec struct {
	// packageName is the package that defines the function.
	PackageName string
	// packageVersion is the version of that package.
	PackageVersion string
	// packageDisabled is true when no class of the package takes new deployments.
	PackageDisabled bool
	// The definition as it stands in the package.
	FunctionDefinition
}
