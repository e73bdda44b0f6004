// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterrecord

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// Labels of deployment records, beside pmv1alpha1.PackageLabel. A value that no
// label may have, such as a class key with a blank, leaves its label out.
const (
	// ClusterLabel names the cluster that keeps the record.
	ClusterLabel = "pm.oaas.io/cluster"
	// EnvironmentLabel names the environment that the unit runs in.
	EnvironmentLabel = "pm.oaas.io/environment"
	// ClassLabel is the key of the class that runs.
	ClassLabel = "pm.oaas.io/class"
	// ClassDeploymentLabel names the class deployment that the unit belongs to.
	ClassDeploymentLabel = "pm.oaas.io/class-deployment"
)

// Name of the record of a unit: <cluster>.<deploymentID>. Neither part has dots,
// so that one name means one record.
func Name(cluster, deploymentID string) string { return cluster + "." + deploymentID }

// SplitName takes a name apart; both parts are empty for a name that no record
// has.
func SplitName(name string) (cluster, deploymentID string) {
	cluster, deploymentID, ok := strings.Cut(name, ".")
	if !ok {
		return "", ""
	}
	return cluster, deploymentID
}

// ToAPI is the record of a cluster as the API shows it, without a resource
// version. The same record always gives the same object. It fails for a record
// whose id or namespace no object could have: a cluster of another version may
// send anything.
func ToAPI(cluster string, record *deploymentv1.DeploymentRecord, stale bool) (*pmv1alpha1.DeploymentRecord, error) {
	unit := record.GetUnit()
	namespace := cmp.Or(unit.GetNamespace(), record.GetNamespace())
	if wrong := validation.IsDNS1123Label(unit.GetId()); len(wrong) > 0 {
		return nil, fmt.Errorf("record of cluster %s: unit.id: %q: %s", cluster, unit.GetId(), wrong[0])
	}
	if wrong := validation.IsDNS1123Label(namespace); len(wrong) > 0 {
		return nil, fmt.Errorf("record %s of cluster %s: unit.namespace: %q: %s", unit.GetId(), cluster, namespace, wrong[0])
	}
	object := &pmv1alpha1.DeploymentRecord{
		ObjectMeta: metav1.ObjectMeta{
			Name:      Name(cluster, unit.GetId()),
			Namespace: namespace,
			UID:       uid(cluster, namespace, record),
			Labels:    labelsOf(cluster, unit),
		},
		Spec:   specOf(cluster, unit),
		Status: statusOf(record),
	}
	object.Status.Stale = stale
	if record.GetCreatedAt() != nil {
		object.CreationTimestamp = timeOf(record.GetCreatedAt())
	}
	if record.GetDeletedAt() != nil {
		object.DeletionTimestamp = new(timeOf(record.GetDeletedAt()))
	}
	return object, nil
}

// uid tells a record from one that follows it under the same name.
func uid(cluster, namespace string, record *deploymentv1.DeploymentRecord) types.UID {
	created := record.GetCreatedAt()
	identity := fmt.Sprintf("%s/%s/%s/%d.%d", cluster, namespace, record.GetUnit().GetId(), created.GetSeconds(), created.GetNanos())
	return types.UID(uuid.NewSHA1(uuid.NameSpaceURL, []byte("pm.oaas.io/deploymentrecords/"+identity)).String())
}

func labelsOf(cluster string, unit *deploymentv1.DeploymentUnit) map[string]string {
	labels := map[string]string{}
	for label, value := range map[string]string{
		pmv1alpha1.PackageLabel: unit.GetPackageName(),
		ClusterLabel:            cluster,
		EnvironmentLabel:        unit.GetEnvironment(),
		ClassLabel:              unit.GetClassKey(),
		ClassDeploymentLabel:    unit.GetClassDeployment(),
	} {
		if value != "" && len(validation.IsValidLabelValue(value)) == 0 {
			labels[label] = value
		}
	}
	return labels
}

func specOf(cluster string, unit *deploymentv1.DeploymentUnit) pmv1alpha1.DeploymentRecordSpec {
	nfr, size := unit.GetNfrRequirements(), unit.GetResourceAllocation()
	spec := pmv1alpha1.DeploymentRecordSpec{
		Cluster:         cluster,
		DeploymentID:    unit.GetId(),
		ClassDeployment: unit.GetClassDeployment(),
		Environment:     unit.GetEnvironment(),
		PackageName:     unit.GetPackageName(),
		PackageVersion:  unit.GetPackageVersion(),
		ClassKey:        unit.GetClassKey(),
		Template:        unit.GetTemplate(),
		Requirements: pmv1alpha1.ComputedRequirements{
			ReplicationFactor: size.GetReplicationFactor(),
			MinReplicas:       size.GetMinReplicas(),
			MaxReplicas:       size.GetMaxReplicas(),
		},
	}
	if nfr != nil {
		spec.NFR = pmv1alpha1.NFRRequirements{
			MinThroughputRPS:     nfr.MinThroughputRps,
			MaxLatencyMs:         nfr.MaxLatencyMs,
			Availability:         nfr.GetAvailability(),
			CPUUtilizationTarget: nfr.CpuUtilizationTarget,
		}
	}
	for _, container := range unit.GetFunctionContainers() {
		function := pmv1alpha1.PlannedFunction{
			Key: container.GetFunctionKey(), Image: container.GetImage(),
			MinReplicas: size.GetMinReplicas(), MaxReplicas: size.GetMaxReplicas(),
		}
		if container.MinReplicas != nil {
			function.MinReplicas = container.GetMinReplicas()
		}
		if container.MaxReplicas != nil {
			function.MaxReplicas = container.GetMaxReplicas()
		}
		spec.Functions = append(spec.Functions, function)
	}
	return spec
}

func statusOf(record *deploymentv1.DeploymentRecord) pmv1alpha1.DeploymentRecordStatus {
	told := record.GetStatus()
	status := pmv1alpha1.DeploymentRecordStatus{
		Condition:        ConditionOf(record),
		Phase:            PhaseName(told.GetPhase()),
		Message:          told.GetMessage(),
		SelectedTemplate: told.GetSelectedTemplate(),
		Functions:        FunctionStatuses(told.GetFunctions()),
		Namespace:        record.GetNamespace(),
	}
	for _, condition := range told.GetConditions() {
		status.Conditions = append(status.Conditions, metav1.Condition{
			Type:               condition.GetType(),
			Status:             metav1.ConditionStatus(condition.GetStatus()),
			Reason:             condition.GetReason(),
			Message:            condition.GetMessage(),
			LastTransitionTime: timeOf(condition.GetLastTransitionTime()),
		})
	}
	for _, resource := range record.GetResourceRefs() {
		status.Resources = append(status.Resources, pmv1alpha1.ResourceReference{
			APIVersion: resource.GetApiVersion(), Kind: resource.GetKind(),
			Namespace: resource.GetNamespace(), Name: resource.GetName(),
		})
	}
	return status
}

// timeOf is a time to the second, as every time in the API; the zero time for one
// that was not told.
func timeOf(at *timestamppb.Timestamp) metav1.Time {
	if at == nil {
		return metav1.Time{}
	}
	return metav1.Unix(at.GetSeconds(), 0)
}
