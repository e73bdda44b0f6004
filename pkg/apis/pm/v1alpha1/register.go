// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of the Package Manager.
const GroupName = "pm.oaas.io"

// SchemeGroupVersion is the group and version of the types in this package.
var SchemeGroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1alpha1"}

// Resource qualifies a resource name with this package's group.
func Resource(resource string) schema.GroupResource {
	return SchemeGroupVersion.WithResource(resource).GroupResource()
}

var (
	// SchemeBuilder collects the functions that add this version to a scheme.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes, addDefaultingFuncs, addFieldLabelConversionFuncs, RegisterValidations)
	// localSchemeBuilder is the name under which generated code registers itself.
	localSchemeBuilder = &SchemeBuilder
	// AddToScheme adds the types, defaults and conversions of this version to a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(SchemeGroupVersion,
		&Package{}, &PackageList{},
		&ClassDeployment{}, &ClassDeploymentList{},
		&Cluster{}, &ClusterList{},
		&Class{}, &ClassList{},
		&Function{}, &FunctionList{},
		&DeploymentRecord{}, &DeploymentRecordList{},
		&RuntimeState{}, &RuntimeStateList{},
		&ClassDeploymentPlan{},
		&ClassDeploymentRendering{},
	)
	metav1.AddToGroupVersion(scheme, SchemeGroupVersion)
	return nil
}
