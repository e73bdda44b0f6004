// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/wording"
)

const (
	// maxBindings is the most methods of a class.
	maxBindings = 1024
	// maxCollections is the most collections of a unit.
	maxCollections = 64
	// maxPartitions is the most partitions of a collection.
	maxPartitions = 65536
	// maxCopies is the most copies of a partition.
	maxCopies = 64
	// maxLogFilter is the longest log filter, in bytes.
	maxLogFilter = 4096
	// maxFraction is the longest decimal between 0 and 1, in bytes.
	maxFraction = 64
	// maxDimensions is the most requirements that enforcement is restricted to.
	maxDimensions = 16
	// maxSecretVariables is the most variables from Secrets of a function.
	maxSecretVariables = 256
)

// patterns are compiled once and never change.
var (
	fractionPattern = regexp.MustCompile(`^(0(\.[0-9]+)?|1(\.0+)?)$`)
	// attributePattern leaves out what separates attributes in OTEL_RESOURCE_ATTRIBUTES.
	attributePattern = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+.^_|~/-]{1,255}$`)
)

// validateSettings finds what is wrong with the settings of a unit beside its size
// and its functions.
func validateSettings(path *field.Path, unit *deploymentv1.DeploymentUnit) field.ErrorList {
	problems := validateEnum(path.Child("state", "consistency_model"), unit.GetState().GetConsistencyModel())
	problems = append(problems, validateBindings(path.Child("bindings"), unit.GetBindings())...)
	problems = append(problems, validateODGM(path.Child("odgm"), unit.GetOdgm())...)
	problems = append(problems, validateTelemetry(path.Child("telemetry"), unit.GetTelemetry())...)
	problems = append(problems, validateEnforcement(path.Child("enforcement"), unit.GetEnforcement())...)
	return append(problems, validateEnum(path.Child("deletion_policy"), unit.GetDeletionPolicy())...)
}

func validateBindings(path *field.Path, bindings []*deploymentv1.MethodBinding) field.ErrorList {
	if count := len(bindings); count > maxBindings {
		return field.ErrorList{field.TooMany(path, count, maxBindings)}
	}
	var problems field.ErrorList
	seen := sets.New[string]()
	for i, binding := range bindings {
		at := path.Index(i)
		problems = append(problems, validateText(at.Child("name"), binding.GetName(), maxKey)...)
		problems = append(problems, validateText(at.Child("function_key"), binding.GetFunctionKey(), maxFunctionKey)...)
		problems = append(problems, validateOnce(seen, at.Child("name"), binding.GetName())...)
	}
	return problems
}

func validateODGM(path *field.Path, settings *deploymentv1.OdgmSettings) field.ErrorList {
	problems := validateCollections(path.Child("collections"), settings.GetCollections(), nil)
	problems = append(problems, validateCount(path.Child("partition_count"), settings.GetPartitionCount(), maxPartitions)...)
	problems = append(problems, validateCount(path.Child("replica_count"), settings.GetReplicaCount(), maxCopies)...)
	problems = append(problems, validateOneOf(path.Child("shard_type"), settings.GetShardType(), "raft", "mst", "basic", "none")...)
	problems = append(problems, validateOneOf(path.Child("zenoh_mode"), settings.GetZenohMode(), "peer", "client", "router")...)
	if len(settings.GetLog()) > maxLogFilter {
		problems = append(problems, field.TooLong(path.Child("log"), "", maxLogFilter))
	}
	if _, nameless := settings.GetOptions()[""]; nameless {
		problems = append(problems, field.Required(path.Child("options").Key(""), "an option needs a name"))
	}
	return problems
}

// validateCollections takes names that are known; without any, all are.
func validateCollections(path *field.Path, collections, known []string) field.ErrorList {
	if count := len(collections); count > maxCollections {
		return field.ErrorList{field.TooMany(path, count, maxCollections)}
	}
	var problems field.ErrorList
	seen, remedy := sets.New[string](), ""
	for i, collection := range collections {
		problems = append(problems, validateText(path.Index(i), collection, maxKey)...)
		problems = append(problems, validateOnce(seen, path.Index(i), collection)...)
		if len(known) > 0 && collection != "" && !slices.Contains(known, collection) {
			// One text for all, since a request may name many.
			remedy = cmp.Or(remedy, "must be one of "+wording.Names(known))
			problems = append(problems, field.Invalid(path.Index(i), collection, remedy))
		}
	}
	return problems
}

func validateTelemetry(path *field.Path, settings *deploymentv1.TelemetrySettings) field.ErrorList {
	problems := validateFraction(path.Child("sampling_rate"), settings.GetSamplingRate())
	if len(settings.GetServiceName()) > maxKey {
		problems = append(problems, field.TooLong(path.Child("service_name"), "", maxKey))
	}
	for _, name := range slices.Sorted(maps.Keys(settings.GetResourceAttributes())) {
		if !attributePattern.MatchString(name) {
			problems = append(problems, field.Invalid(path.Child("resource_attributes").Key(name), name,
				"must be 1 to 255 letters, digits and signs other than commas, equals signs and blanks, such as service.namespace"))
		}
	}
	return problems
}

// validateFraction lets the empty text stand for the default.
func validateFraction(path *field.Path, text string) field.ErrorList {
	switch {
	case text == "":
		return nil
	case len(text) > maxFraction:
		return field.ErrorList{field.TooLong(path, "", maxFraction)}
	case !fractionPattern.MatchString(text):
		return field.ErrorList{field.Invalid(path, text, "must be a decimal between 0 and 1, such as 0.9")}
	default:
		return nil
	}
}

func validateEnforcement(path *field.Path, settings *deploymentv1.EnforcementSettings) field.ErrorList {
	problems := validateEnum(path.Child("mode"), settings.GetMode())
	dimensions := path.Child("dimensions")
	if count := len(settings.GetDimensions()); count > maxDimensions {
		return append(problems, field.TooMany(dimensions, count, maxDimensions))
	}
	seen := sets.New[string]()
	for i, dimension := range settings.GetDimensions() {
		if dimension == "" {
			problems = append(problems, field.Required(dimensions.Index(i), "use one of throughput, latency, cpu"))
		}
		problems = append(problems, validateOneOf(dimensions.Index(i), dimension, "throughput", "latency", "cpu")...)
		problems = append(problems, validateOnce(seen, dimensions.Index(i), dimension)...)
	}
	return problems
}

// validateSecretEnv also keeps a variable from having two values.
func validateSecretEnv(path *field.Path, f *deploymentv1.FunctionContainer) field.ErrorList {
	if count := len(f.GetSecretEnv()); count > maxSecretVariables {
		return field.ErrorList{field.TooMany(path, count, maxSecretVariables)}
	}
	var problems field.ErrorList
	seen := sets.New[string]()
	for i, variable := range f.GetSecretEnv() {
		at, name := path.Index(i), variable.GetName()
		problems = append(problems, invalidFor(at.Child("name"), name, validation.IsEnvVarName(name))...)
		problems = append(problems, validateOnce(seen, at.Child("name"), name)...)
		if _, plain := f.GetEnv()[name]; plain {
			problems = append(problems, field.Invalid(at.Child("name"), name, "is in env too: a variable has one value"))
		}
		problems = append(problems, invalidFor(at.Child("secret_name"), variable.GetSecretName(), validation.IsDNS1123Subdomain(variable.GetSecretName()))...)
		problems = append(problems, invalidFor(at.Child("key"), variable.GetKey(), validation.IsConfigMapKey(variable.GetKey()))...)
	}
	return problems
}

// validateIntegration takes collections of the unit where the unit names any, and
// methods that the function implements.
func validateIntegration(path *field.Path, f *deploymentv1.FunctionContainer, unit *deploymentv1.DeploymentUnit) field.ErrorList {
	integration, known := f.GetOdgmIntegration(), unit.GetOdgm().GetCollections()
	problems := validateCollections(path.Child("collections"), integration.GetCollections(), known)
	problems = append(problems, validateOneOf(path.Child("access_mode"), integration.GetAccessMode(), "ReadWrite", "ReadOnly", "WriteOnly")...)
	problems = append(problems, validateOneOf(path.Child("caching_strategy"), integration.GetCachingStrategy(), "None", "ReadThrough", "WriteBehind")...)
	if len(integration.GetEventTriggers()) == 0 {
		return problems
	}
	if used := integration.GetCollections(); len(used) > 0 {
		known = used
	}
	methods := sets.New[string]()
	for _, binding := range unit.GetBindings() {
		if binding.GetFunctionKey() == f.GetFunctionKey() {
			methods.Insert(binding.GetName())
		}
	}
	return append(problems, validateTriggers(path.Child("event_triggers"), integration.GetEventTriggers(), methods, known)...)
}

func validateTriggers(path *field.Path, triggers []*deploymentv1.EventTrigger, methods sets.Set[string], collections []string) field.ErrorList {
	var problems field.ErrorList
	seen := sets.New[string]()
	for i, t := range triggers {
		at := path.Index(i)
		if name := t.GetBinding(); name == "" {
			problems = append(problems, field.Required(at.Child("binding"), "name the method that is called"))
		} else if !methods.Has(name) {
			problems = append(problems, field.Invalid(at.Child("binding"), name, "must be the name of a binding of the function"))
		}
		problems = append(problems, validateOnce(seen, at.Child("binding"), t.GetBinding())...)
		problems = append(problems, validateCollections(at.Child("collections"), t.GetCollections(), collections)...)
	}
	return problems
}

// validateEnum refuses numbers that this version has no name for: the sender is
// newer and means something.
func validateEnum(path *field.Path, value protoreflect.Enum) field.ErrorList {
	values := value.Descriptor().Values()
	if values.ByNumber(value.Number()) != nil {
		return nil
	}
	names := make([]string, 0, values.Len())
	for i := range values.Len() {
		names = append(names, string(values.Get(i).Name()))
	}
	return field.ErrorList{field.NotSupported(path, fmt.Sprint(value.Number()), names)}
}

// validateOneOf lets the empty text stand for the default.
func validateOneOf(path *field.Path, value string, known ...string) field.ErrorList {
	if value == "" || slices.Contains(known, value) {
		return nil
	}
	return field.ErrorList{field.NotSupported(path, value, known)}
}

// validateOnce refuses the second and later occurrences of a name. That there is one
// is not its subject.
func validateOnce(seen sets.Set[string], path *field.Path, name string) field.ErrorList {
	if name != "" && seen.Has(name) {
		return field.ErrorList{field.Duplicate(path, name)}
	}
	seen.Insert(name)
	return nil
}

func validateCount(path *field.Path, count, most int32) field.ErrorList {
	if count < 0 || count > most {
		return field.ErrorList{field.Invalid(path, count, fmt.Sprintf("must be between 0 and %d", most))}
	}
	return nil
}

func invalidFor(path *field.Path, value string, texts []string) field.ErrorList {
	var problems field.ErrorList
	for _, text := range texts {
		problems = append(problems, field.Invalid(path, value, text))
	}
	return problems
}
