// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package pm

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// DeploymentRecord is what a cluster keeps of one unit of a class deployment, as
// the cluster last told it; to be read only. Its name is <cluster>.<deploymentID>,
// its namespace that of the class deployment.
type DeploymentRecord struct {
	metav1.TypeMeta
	// metadata is standard object metadata. The resource version is comparable with
	// those of other deployment records only.
	metav1.ObjectMeta

	// spec is what the cluster was asked to run.
	Spec DeploymentRecordSpec
	// status is what the cluster says of it.
	Status DeploymentRecordStatus
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// DeploymentRecordList is a list of deployment records.
type DeploymentRecordList struct {
	metav1.TypeMeta
	// metadata is standard list metadata.
	metav1.ListMeta

	// items are the deployment records.
	Items []DeploymentRecord
}

// DeploymentRecordSpec is what a cluster was asked to run.
type DeploymentRecordSpec struct {
	// cluster that keeps the record.
	Cluster string
	// deploymentID names the record on that cluster.
	DeploymentID string
	// classDeployment that the unit belongs to.
	ClassDeployment string
	// environment that the unit runs in.
	Environment string
	// packageName is the package that defines the class.
	PackageName string
	// packageVersion is the version that the unit was planned from.
	PackageVersion string
	// classKey is the class that runs.
	ClassKey string
	// template that was asked for; empty when the requirements choose.
	Template string
	// nfr are the requirements to keep.
	NFR NFRRequirements
	// requirements are the sizes that the planner derived.
	Requirements ComputedRequirements
	// functions are the workloads of the unit.
	Functions []PlannedFunction
}

// DeploymentRecordStatus is what a cluster says of a record.
type DeploymentRecordStatus struct {
	// stale is true while the cluster is out of contact, so that the record may
	// have changed since.
	Stale bool
	// condition sums the record up in one word: Pending, Provisioning, Running,
	// Scaling, Failed, Terminated.
	Condition string
	// phase is the step that the record is at, such as PodScheduling.
	Phase string
	// message tells what the record waits for or why it failed.
	Message string
	// conditions are those of the record on its cluster: Available, Progressing,
	// Degraded.
	Conditions []metav1.Condition
	// selectedTemplate is the template that the cluster chose.
	SelectedTemplate string
	// functions tell the readiness of each function.
	Functions []FunctionStatus
	// resources are the objects that the cluster made for the record.
	Resources []ResourceReference
	// namespace of the record on its cluster.
	Namespace string
}

// ResourceReference names a Kubernetes object on the cluster of a record.
type ResourceReference struct {
	// apiVersion of the object.
	APIVersion string
	// kind of the object.
	Kind string
	// namespace of the object; empty for one without.
	Namespace string
	// name of the object.
	Name string
}
