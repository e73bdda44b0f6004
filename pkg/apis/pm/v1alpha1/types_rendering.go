// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +k8s:validation-gen=false
// +k8s:prerelease-lifecycle-gen:introduced=1.0

// ClassDeploymentRendering is what the clusters would make of a class deployment if
// it were planned now: the subresource render of classdeployments. Read, it tells of
// the class deployment as it is stored; created, of what its spec holds. Neither
// changes anything.
type ClassDeploymentRendering struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is that of the class deployment.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`

	// spec is what to render in place of what is stored.
	// +optional
	Spec *RenderingSpec `json:"spec,omitempty" protobuf:"bytes,2,opt,name=spec"`
	// units are the parts of the plan as their clusters would run them.
	// +optional
	// +listType=map
	// +listMapKey=cluster
	// +listMapKey=deploymentID
	Units []RenderedUnit `json:"units,omitempty" protobuf:"bytes,3,rep,name=units"`
	// problems are all that keep the plan from being complete.
	// +optional
	// +listType=atomic
	Problems []PlanProblem `json:"problems,omitempty" protobuf:"bytes,4,rep,name=problems"`
}

// RenderingSpec is what to render in place of what is stored.
type RenderingSpec struct {
	// deployment is the spec of the class deployment.
	// +required
	Deployment ClassDeploymentSpec `json:"deployment" protobuf:"bytes,1,opt,name=deployment"`
	// packages stand for stored ones of the same name: that of the class, and those
	// that it depends on.
	// +optional
	// +listType=map
	// +listMapKey=name
	Packages []NamedPackage `json:"packages,omitempty" protobuf:"bytes,2,rep,name=packages"`
}

// NamedPackage is a package that need not be stored.
type NamedPackage struct {
	// name of the package.
	// +required
	Name string `json:"name" protobuf:"bytes,1,opt,name=name"`
	// spec of the package.
	// +optional
	Spec PackageSpec `json:"spec,omitempty" protobuf:"bytes,2,opt,name=spec"`
}

// RenderedUnit is a part of a plan as its cluster would run it.
type RenderedUnit struct {
	// cluster that the unit is for.
	// +required
	Cluster string `json:"cluster" protobuf:"bytes,1,opt,name=cluster"`
	// deploymentID names the unit's record on that cluster.
	// +required
	DeploymentID string `json:"deploymentID" protobuf:"bytes,2,opt,name=deploymentID"`
	// environment that the unit runs in.
	// +optional
	Environment string `json:"environment,omitempty" protobuf:"bytes,3,opt,name=environment"`
	// namespace of the objects on the cluster.
	// +optional
	Namespace string `json:"namespace,omitempty" protobuf:"bytes,4,opt,name=namespace"`
	// template that would be used.
	// +optional
	Template string `json:"template,omitempty" protobuf:"bytes,5,opt,name=template"`
	// reasons tell why, template by template.
	// +optional
	// +listType=atomic
	Reasons []string `json:"reasons,omitempty" protobuf:"bytes,6,rep,name=reasons"`
	// manifests are the objects in the order in which they would be applied, each as a
	// YAML document.
	// +optional
	// +listType=atomic
	Manifests []string `json:"manifests,omitempty" protobuf:"bytes,7,rep,name=manifests"`
	// message tells why there are none; empty when the cluster has answered.
	// +optional
	Message string `json:"message,omitempty" protobuf:"bytes,8,opt,name=message"`
}
