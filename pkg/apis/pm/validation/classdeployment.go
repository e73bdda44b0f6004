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
	// defaultEnvironment is where a deployment without environments runs.
	defaultEnvironment = "default"
)

// ValidateClassDeployment returns everything that is wrong with a new class
// deployment.
func ValidateClassDeployment(d *pm.ClassDeployment) field.ErrorList {
	errs := apivalidation.ValidateObjectMeta(&d.ObjectMeta, true, apivalidation.NameIsDNSLabel, field.NewPath("metadata"))
	path := field.NewPath("spec")
	errs = append(errs, requirePackageName(d, path)...)
	return append(errs, validateClassDeploymentSpec(&d.Spec, path)...)
}

func requirePackageName(d *pm.ClassDeployment, spec *field.Path) field.ErrorList {
	if d.Spec.PackageName == "" {
		return field.ErrorList{field.Required(spec.Child("packageName"), "name the package that defines the class")}
	}
	return nil
}

// ValidateClassDeploymentUpdate returns everything that is wrong with a changed
// class deployment. Running another class is another deployment: its objects
// would not understand the state that is there.
func ValidateClassDeploymentUpdate(updated, _ *pm.ClassDeployment) field.ErrorList {
	path := field.NewPath("spec")
	return append(requirePackageName(updated, path), validateClassDeploymentSpec(&updated.Spec, path)...)
}

// ValidateClassDeploymentStatusUpdate returns everything that is wrong with a
// changed status.
func ValidateClassDeploymentStatusUpdate(updated, _ *pm.ClassDeployment) field.ErrorList {
	status, path := &updated.Status, field.NewPath("status")
	errs := validateObservedGeneration(status.ObservedGeneration, updated.Generation, path)
	return append(errs, validateConditions(status.Conditions, path)...)
}

// validateClassDeploymentSpec checks all but the name of the package, which the
// deployments of a package itself need not give.
func validateClassDeploymentSpec(spec *pm.ClassDeploymentSpec, path *field.Path) field.ErrorList {
	errs := validateKeyForm(spec.ClassKey, path.Child("classKey"))
	if spec.ClusterSelector != nil {
		errs = append(errs, metav1validation.ValidateLabelSelector(spec.ClusterSelector,
			metav1validation.LabelSelectorValidationOptions{}, path.Child("clusterSelector"))...)
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
	if nfr.Availability != "" {
		errs = append(errs, validateFraction(nfr.Availability, path.Child("availability"))...)
	}
	return errs
}

func validateEnforcement(enforcement *pm.Enforcement, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, dimension := range enforcement.Dimensions {
		errs = append(errs, validateEnum(dimension, path.Child("dimensions").Index(i), "throughput", "latency", "cpu")...)
	}
	return errs
}

func validateTemplates(templates map[string]string, environments []string, path *field.Path) field.ErrorList {
	if len(environments) == 0 {
		environments = []string{defaultEnvironment}
	}
	var errs field.ErrorList
	remedy := ""
	for _, environment := range slices.Sorted(maps.Keys(templates)) {
		if slices.Contains(environments, environment) {
			continue
		}
		if remedy == "" {
			// One text for all: a request may name a hundred thousand.
			remedy = fmt.Sprintf("is not an environment of this deployment: use one of %v or add it to spec.targetEnvironments", environments)
		}
		errs = append(errs, field.Invalid(path.Key(environment), environment, remedy))
	}
	return errs
}

func validateODGM(odgm *pm.ODGMSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, collection := range odgm.Collections {
		errs = append(errs, validateKeyForm(collection, path.Child("collections").Index(i))...)
	}
	if odgm.ShardType != "" {
		errs = append(errs, validateEnum(odgm.ShardType, path.Child("shardType"), "raft", "mst", "basic", "none")...)
	}
	if odgm.ZenohMode != "" {
		errs = append(errs, validateEnum(odgm.ZenohMode, path.Child("zenohMode"), "peer", "client", "router")...)
	}
	return errs
}

func validateTelemetry(telemetry *pm.TelemetrySpec, path *field.Path) field.ErrorList {
	if telemetry.SamplingRate == "" {
		return nil
	}
	return validateFraction(telemetry.SamplingRate, path.Child("samplingRate"))
}
