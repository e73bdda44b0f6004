// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"maps"
	"slices"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/pm"
)

const (
	// maxThroughput is in requests per second: far above what one class can
	// need, far below where computed replica counts overflow.
	maxThroughput int64 = 1_000_000_000
	// maxLatency is an hour, in milliseconds.
	maxLatency int64 = 60 * 60 * 1000
	// maxPartitions and maxCopies bound what one collection asks of the data grid.
	maxPartitions int32 = 65536
	maxCopies     int32 = 64
	// defaultEnvironment is where a deployment without environments runs.
	defaultEnvironment = "default"
)

// ValidateClassDeployment returns everything that is wrong with a new class
// deployment.
func ValidateClassDeployment(d *pm.ClassDeployment) field.ErrorList {
	errs := apivalidation.ValidateObjectMeta(&d.ObjectMeta, true, apivalidation.NameIsDNSLabel, field.NewPath("metadata"))
	errs = append(errs, validateLabelName(d.Spec.PackageName, field.NewPath("spec", "packageName"))...)
	return append(errs, validateClassDeploymentSpec(&d.Spec, field.NewPath("spec"))...)
}

// ValidateClassDeploymentUpdate returns everything that is wrong with a changed
// class deployment. Running another class is another deployment: its objects
// would not understand the state that is there.
func ValidateClassDeploymentUpdate(updated, old *pm.ClassDeployment) field.ErrorList {
	path := field.NewPath("spec")
	errs := apivalidation.ValidateImmutableField(updated.Spec.PackageName, old.Spec.PackageName, path.Child("packageName"))
	errs = append(errs, apivalidation.ValidateImmutableField(updated.Spec.ClassKey, old.Spec.ClassKey, path.Child("classKey"))...)
	errs = append(errs, validateLabelName(updated.Spec.PackageName, path.Child("packageName"))...)
	return append(errs, validateClassDeploymentSpec(&updated.Spec, path)...)
}

// ValidateClassDeploymentStatusUpdate returns everything that is wrong with a
// changed status.
func ValidateClassDeploymentStatusUpdate(updated, _ *pm.ClassDeployment) field.ErrorList {
	status, path := &updated.Status, field.NewPath("status")
	errs := validateObservedGeneration(status.ObservedGeneration, updated.Generation, path)
	errs = append(errs, validateConditions(status.Conditions, path)...)
	if status.Phase != "" {
		errs = append(errs, validateEnum(status.Phase, path.Child("phase"),
			pm.ClassDeploymentPending, pm.ClassDeploymentDeploying, pm.ClassDeploymentRunning,
			pm.ClassDeploymentDegraded, pm.ClassDeploymentFailed, pm.ClassDeploymentTerminating)...)
	}
	seen := uniqueness{}
	for i, unit := range status.Units {
		unitPath := path.Child("units").Index(i)
		if unit.Cluster == "" {
			errs = append(errs, field.Required(unitPath.Child("cluster"), "a unit runs on a cluster"))
		}
		if unit.DeploymentID == "" {
			errs = append(errs, field.Required(unitPath.Child("deploymentID"), "a unit names its record"))
		}
		errs = append(errs, seen.add(unit.Cluster+"/"+unit.DeploymentID, unitPath)...)
	}
	return errs
}

// validateClassDeploymentSpec checks all but the name of the package, which the
// deployments of a package itself need not give.
func validateClassDeploymentSpec(spec *pm.ClassDeploymentSpec, path *field.Path) field.ErrorList {
	errs := validateKey(spec.ClassKey, path.Child("classKey"))
	errs = append(errs, validateSet(spec.TargetEnvironments, path.Child("targetEnvironments"), validateLabelName)...)
	errs = append(errs, validateSet(spec.TargetClusters, path.Child("targetClusters"), validateLabelName)...)
	if spec.ClusterSelector != nil {
		errs = append(errs, metav1validation.ValidateLabelSelector(spec.ClusterSelector,
			metav1validation.LabelSelectorValidationOptions{}, path.Child("clusterSelector"))...)
	}
	if spec.Placement != nil {
		errs = append(errs, validateEnum(spec.Placement.OnUnreachable, path.Child("placement", "onUnreachable"),
			pm.UnreachableBestEffort, pm.UnreachableRefuse)...)
	}
	errs = append(errs, validateNFR(&spec.NFR, path.Child("nfr"))...)
	if spec.Replicas != nil {
		replicasPath := path.Child("replicas")
		errs = append(errs, validateBounds(spec.Replicas.Min, spec.Replicas.Max, replicasPath.Child("min"), replicasPath.Child("max"))...)
	}
	if spec.Enforcement != nil {
		errs = append(errs, validateEnforcement(spec.Enforcement, path.Child("enforcement"))...)
	}
	errs = append(errs, validateTemplates(spec.Templates, spec.TargetEnvironments, path.Child("templates"))...)
	if spec.ODGM != nil {
		errs = append(errs, validateODGM(spec.ODGM, path.Child("odgm"))...)
	}
	if spec.Telemetry != nil {
		errs = append(errs, validateTelemetry(spec.Telemetry, path.Child("telemetry"))...)
	}
	return errs
}

func validateNFR(nfr *pm.NFRRequirements, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if nfr.MinThroughputRPS != nil {
		errs = append(errs, validateRange(*nfr.MinThroughputRPS, 0, maxThroughput, path.Child("minThroughputRPS"))...)
	}
	if nfr.MaxLatencyMs != nil {
		errs = append(errs, validateRange(*nfr.MaxLatencyMs, 1, maxLatency, path.Child("maxLatencyMs"))...)
	}
	if nfr.Availability != "" {
		errs = append(errs, validateFraction(nfr.Availability, path.Child("availability"))...)
	}
	if nfr.CPUUtilizationTarget != nil {
		errs = append(errs, validateRange(*nfr.CPUUtilizationTarget, 1, 100, path.Child("cpuUtilizationTarget"))...)
	}
	return errs
}

func validateEnforcement(enforcement *pm.Enforcement, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if enforcement.Mode != "" {
		errs = append(errs, validateEnum(enforcement.Mode, path.Child("mode"),
			pm.EnforcementOff, pm.EnforcementObserve, pm.EnforcementBasic, pm.EnforcementFull)...)
	}
	return append(errs, validateSet(enforcement.Dimensions, path.Child("dimensions"),
		func(dimension string, path *field.Path) field.ErrorList {
			return validateEnum(dimension, path, "throughput", "latency", "cpu")
		})...)
}

func validateTemplates(templates map[string]string, environments []string, path *field.Path) field.ErrorList {
	if len(environments) == 0 {
		environments = []string{defaultEnvironment}
	}
	var errs field.ErrorList
	for _, environment := range slices.Sorted(maps.Keys(templates)) {
		if !slices.Contains(environments, environment) {
			errs = append(errs, field.Invalid(path.Key(environment), environment,
				fmt.Sprintf("is not an environment of this deployment: use one of %v or add it to spec.targetEnvironments", environments)))
		}
		errs = append(errs, validateSubdomainName(templates[environment], path.Key(environment))...)
	}
	return errs
}

func validateODGM(odgm *pm.ODGMSpec, path *field.Path) field.ErrorList {
	errs := validateSet(odgm.Collections, path.Child("collections"), validateKey)
	if odgm.PartitionCount != nil {
		errs = append(errs, validateRange(*odgm.PartitionCount, 1, maxPartitions, path.Child("partitionCount"))...)
	}
	if odgm.ReplicaCount != nil {
		errs = append(errs, validateRange(*odgm.ReplicaCount, 1, maxCopies, path.Child("replicaCount"))...)
	}
	if odgm.ShardType != "" {
		errs = append(errs, validateEnum(odgm.ShardType, path.Child("shardType"), "raft", "mst", "basic", "none")...)
	}
	if odgm.ZenohMode != "" {
		errs = append(errs, validateEnum(odgm.ZenohMode, path.Child("zenohMode"), "peer", "client", "router")...)
	}
	errs = append(errs, validateLength(odgm.Log, maxDescriptionLength, path.Child("log"))...)
	return append(errs, validateMapKeys(odgm.Options, path.Child("options"))...)
}

func validateTelemetry(telemetry *pm.TelemetrySpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if telemetry.SamplingRate != "" {
		errs = append(errs, validateFraction(telemetry.SamplingRate, path.Child("samplingRate"))...)
	}
	errs = append(errs, validateLength(telemetry.ServiceName, maxKeyLength, path.Child("serviceName"))...)
	return append(errs, validateMapKeys(telemetry.ResourceAttributes, path.Child("resourceAttributes"))...)
}
