// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/quantity"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/wording"
)

const (
	// maxKey is the longest key of a class, a method or a collection, in bytes.
	maxKey = 200
	// maxFunctionKey is the longest key that a class knows a function by, in bytes: for
	// one of another package, that package's name, a dot and the function's own key.
	maxFunctionKey = validation.DNS1123LabelMaxLength + 1 + maxKey
	// maxFunctions is the most functions of a unit.
	maxFunctions = 512
	// maxUnit is the largest unit, in bytes: its record, with the status and the
	// field managers, has to fit into etcd's 1.5 MiB.
	maxUnit = 512 << 10
	// maxVariables is the most environment variables of all functions together: of each
	// field the API server keeps who owns it, which takes more than a short variable.
	maxVariables = 4096
	// maxVolumes is the most volumes of all functions together, for the same reason.
	maxVolumes = 512
	// maxTriggerCollections is the most collections that all event triggers name
	// together.
	maxTriggerCollections = 4096
	// maxText is the longest other name, in bytes.
	maxText = 253
)

// validateUnit finds everything that is wrong with a unit. Paths are those of the
// message.
func validateUnit(unit *deploymentv1.DeploymentUnit) field.ErrorList {
	path := field.NewPath("unit")
	if unit == nil {
		return field.ErrorList{field.Required(path, "a unit is what Deploy deploys")}
	}
	if size := proto.Size(unit); size > maxUnit {
		return field.ErrorList{field.Invalid(path, fmt.Sprintf("<%d bytes>", size),
			fmt.Sprintf("must not exceed %d bytes, which is what a cluster can store: shorten texts and environment variables or split the class", maxUnit))}
	}
	if at, numbers := unknown(unit); len(numbers) > 0 {
		return field.ErrorList{field.Invalid(field.NewPath(path.String()+at), "<fields "+strings.Join(numbers, ", ")+">",
			"this version does not know them: upgrade the Class Runtime Manager, or leave out what only a newer one does")}
	}
	problems := validateLabel(path.Child("id"), unit.GetId())
	problems = append(problems, validateLabel(path.Child("namespace"), unit.GetNamespace())...)
	problems = append(problems, validateText(path.Child("class_deployment"), unit.GetClassDeployment(), maxText)...)
	problems = append(problems, validateText(path.Child("package_name"), unit.GetPackageName(), maxText)...)
	problems = append(problems, validateText(path.Child("class_key"), unit.GetClassKey(), maxKey)...)
	problems = append(problems, validateLabel(path.Child("environment"), unit.GetEnvironment())...)
	if len(unit.GetTemplate()) > maxText {
		problems = append(problems, field.TooLong(path.Child("template"), unit.GetTemplate(), maxText))
	}
	problems = append(problems, validateRequirements(path.Child("nfr_requirements"), unit.GetNfrRequirements())...)
	problems = append(problems, validateAllocation(path.Child("resource_allocation"), unit.GetResourceAllocation())...)

	problems = append(problems, validateSettings(path, unit)...)

	functions := path.Child("function_containers")
	if count := len(unit.GetFunctionContainers()); count > maxFunctions {
		return append(problems, field.TooMany(functions, count, maxFunctions))
	}
	variables, volumes, triggers, triggerCollections := 0, 0, 0, 0
	for _, f := range unit.GetFunctionContainers() {
		variables += len(f.GetEnv()) + len(f.GetSecretEnv())
		volumes += len(f.GetVolumeMounts())
		for _, t := range f.GetOdgmIntegration().GetEventTriggers() {
			triggers++
			triggerCollections += len(t.GetCollections())
		}
	}
	if variables > maxVariables {
		return append(problems, field.Invalid(functions, fmt.Sprintf("<%d environment variables>", variables),
			fmt.Sprintf("must not have more than %d together: put them into a file or split the class", maxVariables)))
	}
	if volumes > maxVolumes {
		return append(problems, field.Invalid(functions, fmt.Sprintf("<%d volumes>", volumes),
			fmt.Sprintf("must not have more than %d together: split the class", maxVolumes)))
	}
	if triggers > maxBindings || triggerCollections > maxTriggerCollections {
		return append(problems, field.Invalid(functions, fmt.Sprintf("<%d event triggers of %d collections>", triggers, triggerCollections),
			fmt.Sprintf("must not have more than %d together, with %d names of collections: leave them out where a trigger is for all", maxBindings, maxTriggerCollections)))
	}
	seen := map[string]bool{}
	for i, f := range unit.GetFunctionContainers() {
		at := functions.Index(i)
		if seen[f.GetFunctionKey()] {
			problems = append(problems, field.Duplicate(at.Child("function_key"), f.GetFunctionKey()))
		}
		seen[f.GetFunctionKey()] = true
		problems = append(problems, validateFunction(at, f)...)
		problems = append(problems, validateIntegration(at.Child("odgm_integration"), f, unit)...)
	}
	return problems
}

// unknown finds the first part of a unit with fields that this version has no name
// for, and the first of their numbers: the sender is newer and means something.
func unknown(unit *deploymentv1.DeploymentUnit) (at string, numbers []string) {
	// The walk ends at the first, which is no failure of its own.
	_ = protorange.Range(unit.ProtoReflect(), func(values protopath.Values) error {
		last := values.Index(-1)
		if last.Step.Kind() != protopath.UnknownAccessStep {
			return nil
		}
		at = values.Path[1 : len(values.Path)-1].String() // the unit itself comes first
		for rest := last.Value.Bytes(); len(rest) > 0; {
			number, _, size := protowire.ConsumeField(rest)
			if size < 0 {
				break
			}
			if text := fmt.Sprint(number); !slices.Contains(numbers, text) && len(numbers) < wording.ShownNames {
				numbers = append(numbers, text)
			}
			rest = rest[size:]
		}
		return protorange.Terminate
	})
	return at, numbers
}

func validateFunction(path *field.Path, f *deploymentv1.FunctionContainer) field.ErrorList {
	problems := validateText(path.Child("function_key"), f.GetFunctionKey(), maxFunctionKey)
	if f.GetImage() == "" {
		problems = append(problems, field.Required(path.Child("image"), "a function with a workload needs an image"))
	} else if _, err := reference.ParseNormalizedNamed(f.GetImage()); err != nil {
		problems = append(problems, field.Invalid(path.Child("image"), f.GetImage(), err.Error()))
	}
	if f.GetPort() != 0 {
		for _, text := range validation.IsValidPortNum(int(f.GetPort())) {
			problems = append(problems, field.Invalid(path.Child("port"), f.GetPort(), text))
		}
	}
	problems = append(problems, validateNotNegative(path.Child("max_concurrency"), int64(f.GetMaxConcurrency()))...)
	problems = append(problems, validateResources(path, f)...)
	for _, name := range slices.Sorted(maps.Keys(f.GetEnv())) {
		for _, text := range validation.IsEnvVarName(name) {
			problems = append(problems, field.Invalid(path.Child("env").Key(name), name, text))
		}
	}
	problems = append(problems, validateSecretEnv(path.Child("secret_env"), f)...)
	problems = append(problems, validateVolumeMounts(path.Child("volume_mounts"), f.GetVolumeMounts())...)
	problems = append(problems, validateNotNegative(path.Child("min_replicas"), int64(f.GetMinReplicas()))...)
	problems = append(problems, validateNotNegative(path.Child("max_replicas"), int64(f.GetMaxReplicas()))...)
	problems = append(problems, validateOrder(path, f.GetMinReplicas(), f.GetMaxReplicas())...)
	check := path.Child("health_check")
	problems = append(problems, validateProbe(check.Child("startup"), f.GetHealthCheck().GetStartup())...)
	problems = append(problems, validateProbe(check.Child("readiness"), f.GetHealthCheck().GetReadiness())...)
	return append(problems, validateProbe(check.Child("liveness"), f.GetHealthCheck().GetLiveness())...)
}

func validateResources(path *field.Path, f *deploymentv1.FunctionContainer) field.ErrorList {
	requests, problems := parseQuantities(path.Child("resource_requests"), f.GetResourceRequests())
	limits, more := parseQuantities(path.Child("resource_limits"), f.GetResourceLimits())
	problems = append(problems, more...)
	for _, name := range slices.Sorted(maps.Keys(requests)) {
		request := requests[name]
		if limit, ok := limits[name]; ok && request.Cmp(limit) > 0 {
			problems = append(problems, field.Invalid(path.Child("resource_requests").Key(name), request.String(),
				fmt.Sprintf("must not exceed the limit of %s", limit.String())))
		}
	}
	return problems
}

func parseQuantities(path *field.Path, texts map[string]string) (map[string]resource.Quantity, field.ErrorList) {
	var problems field.ErrorList
	parsed := map[string]resource.Quantity{}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		at := path.Key(name)
		for _, text := range validation.IsQualifiedName(name) {
			problems = append(problems, field.Invalid(at, name, text))
		}
		size, more := parseQuantity(at, texts[name])
		if problems = append(problems, more...); len(more) == 0 {
			parsed[name] = size
		}
	}
	return parsed, problems
}

func parseQuantity(path *field.Path, text string) (resource.Quantity, field.ErrorList) {
	size, err := quantity.Parse(text)
	switch {
	case err != nil:
		return size, field.ErrorList{field.Invalid(path, text, err.Error())}
	case size.Sign() < 0:
		return size, field.ErrorList{field.Invalid(path, text, "must not be negative")}
	case quantity.TooLarge(size):
		return size, field.ErrorList{field.Invalid(path, text, quantity.TooLargeReason)}
	default:
		return size, nil
	}
}

func validateProbe(path *field.Path, probe *deploymentv1.HttpProbe) field.ErrorList {
	if probe == nil {
		return nil
	}
	var problems field.ErrorList
	if !strings.HasPrefix(probe.GetPath(), "/") {
		problems = append(problems, field.Invalid(path.Child("path"), probe.GetPath(), "must start with /"))
	}
	problems = append(problems, validateNotNegative(path.Child("initial_delay_seconds"), int64(probe.GetInitialDelaySeconds()))...)
	problems = append(problems, validateNotNegative(path.Child("period_seconds"), int64(probe.GetPeriodSeconds()))...)
	problems = append(problems, validateNotNegative(path.Child("timeout_seconds"), int64(probe.GetTimeoutSeconds()))...)
	return append(problems, validateNotNegative(path.Child("failure_threshold"), int64(probe.GetFailureThreshold()))...)
}

func validateRequirements(path *field.Path, required *deploymentv1.NfrRequirements) field.ErrorList {
	problems := validateNotNegative(path.Child("min_throughput_rps"), required.GetMinThroughputRps())
	if required != nil && required.MaxLatencyMs != nil && required.GetMaxLatencyMs() < 1 {
		problems = append(problems, field.Invalid(path.Child("max_latency_ms"), required.GetMaxLatencyMs(), "must be at least 1"))
	}
	problems = append(problems, validateFraction(path.Child("availability"), required.GetAvailability())...)
	if required != nil && required.CpuUtilizationTarget != nil && (required.GetCpuUtilizationTarget() < 1 || required.GetCpuUtilizationTarget() > 100) {
		problems = append(problems, field.Invalid(path.Child("cpu_utilization_target"), required.GetCpuUtilizationTarget(), "must be between 1 and 100"))
	}
	return problems
}

func validateAllocation(path *field.Path, allocation *deploymentv1.ResourceAllocation) field.ErrorList {
	problems := validateNotNegative(path.Child("replication_factor"), int64(allocation.GetReplicationFactor()))
	problems = append(problems, validateNotNegative(path.Child("min_replicas"), int64(allocation.GetMinReplicas()))...)
	problems = append(problems, validateNotNegative(path.Child("max_replicas"), int64(allocation.GetMaxReplicas()))...)
	return append(problems, validateOrder(path, allocation.GetMinReplicas(), allocation.GetMaxReplicas())...)
}

// validateOrder compares replicas; a maximum of 0 is none.
func validateOrder(path *field.Path, least, most int32) field.ErrorList {
	if most > 0 && least > most {
		return field.ErrorList{field.Invalid(path.Child("min_replicas"), least, fmt.Sprintf("must not exceed max_replicas, which is %d", most))}
	}
	return nil
}

func validateLabel(path *field.Path, text string) field.ErrorList {
	if text == "" {
		return field.ErrorList{field.Required(path, "must be a DNS-1123 label")}
	}
	var problems field.ErrorList
	for _, problem := range validation.IsDNS1123Label(text) {
		problems = append(problems, field.Invalid(path, text, problem))
	}
	return problems
}

func validateText(path *field.Path, text string, limit int) field.ErrorList {
	switch {
	case text == "":
		return field.ErrorList{field.Required(path, "must not be empty")}
	case len(text) > limit:
		return field.ErrorList{field.TooLong(path, text, limit)}
	default:
		return nil
	}
}

func validateNotNegative(path *field.Path, value int64) field.ErrorList {
	if value < 0 {
		return field.ErrorList{field.Invalid(path, value, "must not be negative")}
	}
	return nil
}
