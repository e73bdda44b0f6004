// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package resources is the table of the resources of the group pm.oaas.io: what
// discovery tells of each, and by what it can be selected. Storage, selectors,
// completion, documentation and the conformance test are made from it.
package resources

// Category is the category of all resources of the group: kubectl get oaas.
const Category = "oaas"

// Resource describes a resource of the group.
type Resource struct {
	// Kind of the objects.
	Kind string `protobuf:"bytes,1,opt,name=kind"`
	// Plural is the name in URLs, in lower case.
	Plural string `protobuf:"bytes,2,opt,name=plural"`
	// Singular is the name that kubectl also accepts.
	Singular string `protobuf:"bytes,3,opt,name=singular"`
	// ShortNames are further names that kubectl accepts.
	ShortNames []string `protobuf:"bytes,4,rep,name=shortNames"`
	// ClusterScoped resources live in no namespace.
	ClusterScoped bool `protobuf:"varint,5,opt,name=clusterScoped"`
	// Fields are the fields that selectors may name, beside metadata.name and, where
	// there is one, metadata.namespace.
	Fields []string `protobuf:"bytes,6,rep,name=fields"`
	// Verbs that the resource supports.
	Verbs []string `protobuf:"bytes,7,rep,name=verbs"`
	// Subresources by name, with the verbs that each supports.
	Subresources map[string][]string `protobuf:"bytes,8,rep,name=subresources"`
}

// Namespaced is true for a resource whose objects live in namespaces.
func (r Resource) Namespaced() bool { return !r.ClusterScoped }

// Selectable are all fields that selectors may name.
func (r Resource) Selectable() []string {
	all := []string{"metadata.name"}
	if r.Namespaced() {
		all = append(all, "metadata.namespace")
	}
	return append(all, r.Fields...)
}

// Names of the resources.
const (
	Packages          = "packages"
	ClassDeployments  = "classdeployments"
	Clusters          = "clusters"
	Classes           = "classes"
	Functions         = "functions"
	DeploymentRecords = "deploymentrecords"
	RuntimeStates     = "runtimestates"
)

// All are all resources of the group, in the order of their names.
func All() []Resource {
	allVerbs := []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
	readVerbs := []string{"get", "list", "watch"}
	statusVerbs := []string{"get", "patch", "update"}
	return []Resource{
		{
			Kind: "ClassDeployment", Plural: ClassDeployments, Singular: "classdeployment", ShortNames: []string{"cdep"},
			Fields: []string{"spec.packageName", "spec.classKey", "status.phase"}, Verbs: allVerbs,
			Subresources: map[string][]string{"plan": {"get"}, "render": {"create", "get"}, "scale": statusVerbs, "status": statusVerbs},
		},
		{
			Kind: "Cluster", Plural: Clusters, Singular: "cluster", ShortNames: []string{"ocl"}, ClusterScoped: true,
			Fields: []string{"spec.region", "spec.unschedulable", "status.health"}, Verbs: allVerbs,
			Subresources: map[string][]string{"status": statusVerbs},
		},
		{
			Kind: "Package", Plural: Packages, Singular: "package", ShortNames: []string{"opkg"},
			Fields: []string{"spec.disabled", "spec.version"}, Verbs: allVerbs,
			Subresources: map[string][]string{"status": statusVerbs},
		},
		{
			Kind: "Class", Plural: Classes, Singular: "class", ShortNames: []string{"ocls"},
			Fields: []string{"spec.packageName", "spec.key", "spec.disabled"}, Verbs: readVerbs,
		},
		{
			Kind: "Function", Plural: Functions, Singular: "function", ShortNames: []string{"ofn"},
			Fields: []string{"spec.packageName", "spec.key", "spec.type", "spec.disabled"}, Verbs: readVerbs,
		},
		{
			Kind: "DeploymentRecord", Plural: DeploymentRecords, Singular: "deploymentrecord",
			Fields: []string{"spec.cluster", "spec.environment", "spec.packageName", "spec.classKey", "spec.classDeployment", "status.condition"},
			Verbs:  readVerbs,
		},
		{
			Kind: "RuntimeState", Plural: RuntimeStates, Singular: "runtimestate", ShortNames: []string{"rts"},
			Fields: []string{"spec.cluster", "spec.environment", "spec.packageName", "spec.classKey", "spec.classDeployment", "status.health"},
			Verbs:  []string{"delete", "deletecollection", "get", "list", "watch"},
		},
	}
}

// Named returns the resource with the given plural name. It panics for a
// name that is not one of the group's.
func Named(plural string) Resource {
	for _, resource := range All() {
		if resource.Plural == plural {
			return resource
		}
	}
	panic("no resource is named " + plural)
}
