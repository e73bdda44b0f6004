// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package pm

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of the Package Manager.
const GroupName = "pm.oaas.io"

// SchemeGroupVersion is the group and (internal) version of the types in this package.
var SchemeGroupVersion = schema.GroupVersion{Group: GroupName, Version: runtime.APIVersionInternal}

// Kind qualifies a kind with this package's group.
func Kind(kind string) schema.GroupKind {
	return SchemeGroupVersion.WithKind(kind).GroupKind()
}

// Resource qualifies a resource name with this package's group.
func Resource(resource string) schema.GroupResource {
	return SchemeGroupVersion.WithResource(resource).GroupResource()
}

var (
	// SchemeBuilder collects the functions that add the internal types to a scheme.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)
	// AddToScheme adds the internal types to a scheme.
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
	return nil
}
