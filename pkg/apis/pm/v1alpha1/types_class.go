// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PackageLabel is the label of classes and functions that names their package.
const PackageLabel = "pm.oaas.io/package"

// +genclient
// +genclient:onlyVerbs=get,list,watch
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +k8s:validation-gen=false
// +k8s:prerelease-lifecycle-gen:introduced=1.0

// Class is a class of a published package, to be read only: the package defines
// it. Its name is <package>.<key>; it has the labels of its package, and
// pm.oaas.io/package besides.
type Class struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata. The resource version is comparable with
	// those of other classes only.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// spec is what the package says of the class.
	// +required
	Spec ClassSpec `json:"spec" protobuf:"bytes,2,opt,name=spec"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +k8s:validation-gen=false

// ClassList is a list of classes.
type ClassList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// items are the classes.
	Items []Class `json:"items" protobuf:"bytes,2,rep,name=items"`
}

// ClassSpec is what a package says of a class.
type ClassSpec struct {
	// packageName is the package that defines the class.
	// +required
	PackageName string `json:"packageName" protobuf:"bytes,1,opt,name=packageName"`
	// packageVersion is the version of that package.
	// +optional
	PackageVersion string `json:"packageVersion,omitempty" protobuf:"bytes,2,opt,name=packageVersion"`
	// packageDisabled is true when no class of the package takes new deployments.
	// +optional
	PackageDisabled bool `json:"packageDisabled,omitempty" protobuf:"varint,3,opt,name=packageDisabled"`
	// The definition as it stands in the package.
	ClassDefinition `json:",inline" protobuf:"bytes,4,opt,name=classDefinition"`
}

// +genclient
// +genclient:onlyVerbs=get,list,watch
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +k8s:validation-gen=false
// +k8s:prerelease-lifecycle-gen:introduced=1.0

// Function is a function of a published package, to be read only: the package
// defines it. Its name is <package>.<key>; it has the labels of its package, and
// pm.oaas.io/package besides.
type Function struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata. The resource version is comparable with
	// those of other functions only.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// spec is what the package says of the function.
	// +required
	Spec FunctionSpec `json:"spec" protobuf:"bytes,2,opt,name=spec"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +k8s:validation-gen=false

// FunctionList is a list of functions.
type FunctionList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// items are the functions.
	Items []Function `json:"items" protobuf:"bytes,2,rep,name=items"`
}

// FunctionSpec is what a package says of a function.
type FunctionSpec struct {
	// packageName is the package that defines the function.
	// +required
	PackageName string `json:"packageName" protobuf:"bytes,1,opt,name=packageName"`
	// packageVersion is the version of that package.
	// +optional
	PackageVersion string `json:"packageVersion,omitempty" protobuf:"bytes,2,opt,name=packageVersion"`
	// packageDisabled is true when no class of the package takes new deployments.
	// +optional
	PackageDisabled bool `json:"packageDisabled,omitempty" protobuf:"varint,3,opt,name=packageDisabled"`
	// The definition as it stands in the package.
	FunctionDefinition `json:",inline" protobuf:"bytes,4,opt,name=functionDefinition"`
}
