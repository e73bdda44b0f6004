// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"regexp"
	"unicode"

	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/pm"
)

const (
	// MaxRuntimeFunctions is the number of functions that one runtime state tells
	// of.
	MaxRuntimeFunctions = 500
	// MaxRuntimeMessageLength is the length of a message, in characters.
	MaxRuntimeMessageLength = 1024
	// MaxRuntimeReplicas is the largest number of replicas of a unit.
	MaxRuntimeReplicas int32 = 1_000_000
)

// decimalPattern is compiled once and never changes.
var decimalPattern = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})(\.[0-9]{1,9})?$`)

// ValidateRuntimeState returns everything that is wrong with a new runtime state.
func ValidateRuntimeState(s *pm.RuntimeState) field.ErrorList {
	meta, spec := field.NewPath("metadata"), field.NewPath("spec")
	errs := apivalidation.ValidateObjectMeta(&s.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, meta)
	errs = append(errs, validateLabelName(s.Spec.Cluster, spec.Child("cluster"))...)
	errs = append(errs, validateLabelName(s.Spec.DeploymentID, spec.Child("deploymentID"))...)
	errs = append(errs, validateSubdomainName(s.Spec.ClassDeployment, spec.Child("classDeployment"))...)
	if want := s.Spec.Cluster + "." + s.Spec.DeploymentID; len(errs) == 0 && s.Name != want {
		errs = append(errs, field.Invalid(meta.Child("name"), s.Name, "must be <spec.cluster>.<spec.deploymentID>, here "+want))
	}
	return append(errs, validateRuntimeStatus(&s.Status, field.NewPath("status"))...)
}

// ValidateRuntimeStateUpdate returns everything that is wrong with a changed
// runtime state. The unit that it speaks of stays the same.
func ValidateRuntimeStateUpdate(updated, old *pm.RuntimeState) field.ErrorList {
	spec := field.NewPath("spec")
	errs := apivalidation.ValidateObjectMetaUpdate(&updated.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	errs = append(errs, apivalidation.ValidateImmutableField(updated.Spec.Cluster, old.Spec.Cluster, spec.Child("cluster"))...)
	errs = append(errs, apivalidation.ValidateImmutableField(updated.Spec.DeploymentID, old.Spec.DeploymentID, spec.Child("deploymentID"))...)
	return append(errs, ValidateRuntimeState(updated)...)
}

func validateRuntimeStatus(status *pm.RuntimeStateStatus, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if status.Health != "" {
		errs = append(errs, ValidateRuntimeHealth(status.Health, path.Child("health"))...)
	}
	errs = append(errs, ValidateRuntimeWord(status.Condition, path.Child("condition"))...)
	errs = append(errs, ValidateRuntimeWord(status.Phase, path.Child("phase"))...)
	errs = append(errs, ValidateRuntimeMessage(status.Message, path.Child("message"))...)
	errs = append(errs, validateRuntimeMetrics(&status.Total, path.Child("total"))...)
	functions := path.Child("functions")
	if len(status.Functions) > MaxRuntimeFunctions {
		errs = append(errs, field.TooMany(functions, len(status.Functions), MaxRuntimeFunctions))
	}
	seen := uniqueness{}
	for i := range status.Functions {
		errs = append(errs, ValidateRuntimeFunctionKey(status.Functions[i].Key, functions.Index(i).Child("key"))...)
		errs = append(errs, seen.add(status.Functions[i].Key, functions.Index(i).Child("key"))...)
		errs = append(errs, validateRuntimeMetrics(&status.Functions[i].Metrics, functions.Index(i).Child("metrics"))...)
	}
	return errs
}

// ValidateRuntimeHealth checks the word that sums a runtime state up.
func ValidateRuntimeHealth(health pm.RuntimeHealth, path *field.Path) field.ErrorList {
	return validateEnum(health, path, pm.RuntimeHealthy, pm.RuntimeDegraded, pm.RuntimeUnhealthy, pm.RuntimeUnknown)
}

// ValidateRuntimeFunctionKey checks the key of a function that a cluster reports
// about.
func ValidateRuntimeFunctionKey(key string, path *field.Path) field.ErrorList {
	return validateKey(key, path)
}

// ValidateRuntimeWord checks a condition or a phase of a record: a word, or nothing.
func ValidateRuntimeWord(word string, path *field.Path) field.ErrorList {
	errs := validateLength(word, maxWordLength, path)
	for _, r := range word {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return append(errs, field.Invalid(path, word, "must be a word of letters and digits, such as Running"))
		}
	}
	return errs
}

// ValidateRuntimeMessage checks a text that is shown on terminals.
func ValidateRuntimeMessage(message string, path *field.Path) field.ErrorList {
	errs := validateLength(message, MaxRuntimeMessageLength, path)
	for _, r := range message {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return append(errs, field.Invalid(path, message, "must not hold control characters: remove them"))
		}
	}
	return errs
}

func validateRuntimeMetrics(m *pm.RuntimeMetrics, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	// In an order of their own, so that errors always come in the same.
	for _, quantity := range []struct {
		name  string
		value *resource.Quantity
	}{{"cpu", m.CPU}, {"memory", m.Memory}} {
		if quantity.value != nil && quantity.value.Sign() < 0 {
			errs = append(errs, field.Invalid(path.Child(quantity.name), quantity.value.String(), "must not be negative"))
		}
	}
	for _, decimal := range []struct{ name, value string }{
		{"requestsPerSecond", m.RequestsPerSecond}, {"latencyP50Ms", m.LatencyP50Ms}, {"latencyP95Ms", m.LatencyP95Ms}, {"latencyP99Ms", m.LatencyP99Ms},
	} {
		if decimal.value != "" && !decimalPattern.MatchString(decimal.value) {
			errs = append(errs, field.Invalid(path.Child(decimal.name), decimal.value, `write a decimal that is not negative, such as "12.5"`))
		}
	}
	if m.ErrorRate != "" {
		errs = append(errs, validateFraction(m.ErrorRate, path.Child("errorRate"))...)
	}
	errs = append(errs, validateRange(m.Replicas, 0, MaxRuntimeReplicas, path.Child("replicas"))...)
	return append(errs, validateRange(m.ReadyReplicas, 0, MaxRuntimeReplicas, path.Child("readyReplicas"))...)
}
