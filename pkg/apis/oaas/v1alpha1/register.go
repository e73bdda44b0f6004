// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of the Class Runtime Manager.
const GroupName = "oaas.io"

// Kinds of the group.
const (
	// KindDeploymentRecord is the kind of a deployment record.
	KindDeploymentRecord = "DeploymentRecord"
	// KindDeploymentTemplate is the kind of a deployment template.
	KindDeploymentTemplate = "DeploymentTemplate"
	// KindEnvironmentConfig is the kind of an environment configuration.
	KindEnvironmentConfig = "EnvironmentConfig"
)

// SchemeGroupVersion is the group and version of the types in this package.
var SchemeGroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1alpha1"}

var (
	// SchemeBuilder collects the functions that add this version to a scheme.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)
	// AddToScheme adds the types of this version to a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(SchemeGroupVersion,
		&DeploymentRecord{}, &DeploymentRecordList{},
		&DeploymentTemplate{}, &DeploymentTemplateList{},
		&EnvironmentConfig{}, &EnvironmentConfigList{},
	)
	metav1.AddToGroupVersion(scheme, SchemeGroupVersion)
	return nil
}
