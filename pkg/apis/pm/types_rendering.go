// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package pm

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// ClassDeploymentRendering is what the clusters would make of a class deployment if
// it were planned now: the subresource render of classdeployments. Read, it tells of
// the class deployment as it is stored; created, of what its spec holds. Neither
// changes anything.
type ClassDeploymentRendering struct {
	metav1.TypeMeta
	// metadata is that of the class deployment.
	metav1.ObjectMeta

	// spec is what to render in place of what is stored.
	Spec *RenderingSpec
	// units are the parts of the plan as their clusters would run them.
	Units []RenderedUnit
	// problems are all that keep the plan from being complete.
	Problems []PlanProblem
}

// RenderingSpec is what to render in place of what is stored.
type RenderingSpec struct {
	// deployment is the spec of the class deployment.
	Deployment ClassDeploymentSpec
	// packages stand for stored ones of the same name: that of the class, and those
	// that it depends on.
	Packages []NamedPackage
}

// NamedPackage is a package that need not be stored.
type NamedPackage struct {
	// name of the package.
	Name string
	// spec of the package.
	Spec PackageSpec
}

// RenderedUnit is a part of a plan as its cluster would run it.
type RenderedUnit struct {
	// cluster that the unit is for.
	Cluster string
	// deploymentID names the unit's record on that cluster.
	DeploymentID string
	// environment that the unit runs in.
	Environment string
	// namespace of the objects on the cluster.
	Namespace string
	// template that would be used.
	Template string
	// reasons tell why, template by template.
	Reasons []string
	// manifests are the objects in the order in which they would be applied, each as a
	// YAML document.
	Manifests []string
	// message tells why there are none; empty when the cluster has answered.
	Message string
}
