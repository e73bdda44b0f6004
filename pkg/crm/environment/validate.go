// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// Validate checks what the rules of the custom resource definition cannot say.
// The webhook refuses a configuration with a problem, and the controller says so of
// one that was stored while no webhook was there.
func Validate(configuration *v1alpha1.EnvironmentConfig) field.ErrorList {
	spec, path := configuration.Spec, field.NewPath("spec")
	var problems field.ErrorList
	problems = append(problems, validateNamespaces(spec.Namespaces, path.Child("namespaces"))...)
	problems = append(problems, validateQuotas(spec.Quotas, path.Child("quotas"))...)
	for i, allowed := range spec.AllowedTemplates {
		item := path.Child("allowedTemplates").Index(i)
		problems = append(problems, validateSubdomain(allowed.Name, item.Child("name"))...)
		problems = append(problems, validateResources(allowed.MaxResources, item.Child("maxResources"))...)
	}
	problems = append(problems, validateODGM(spec.ODGM, path.Child("odgm"))...)
	problems = append(problems, validateScheduling(spec.Scheduling, path.Child("scheduling"))...)
	for i := range spec.NetworkPolicy.AllowedNamespaces {
		problems = append(problems, metav1validation.ValidateLabelSelector(&spec.NetworkPolicy.AllowedNamespaces[i],
			metav1validation.LabelSelectorValidationOptions{}, path.Child("networkPolicy", "allowedNamespaces").Index(i))...)
	}
	problems = append(problems, validateDimensions(spec.Enforcement.Dimensions, path.Child("enforcement", "dimensions"))...)
	return append(problems, validateEndpoint(spec.Telemetry.Endpoint, path.Child("telemetry", "endpoint"))...)
}

func validateNamespaces(mapping v1alpha1.NamespaceMapping, path *field.Path) field.ErrorList {
	var problems field.ErrorList
	first := map[string]string{}
	for _, tenant := range slices.Sorted(maps.Keys(mapping.Tenants)) {
		namespace, item := mapping.Tenants[tenant], path.Child("tenants").Key(tenant)
		if tenant != "" {
			for _, problem := range validation.IsDNS1123Label(tenant) {
				problems = append(problems, field.Invalid(item, tenant, "a tenant is a namespace: "+problem))
			}
		}
		if problem := unusable(namespace); problem != "" {
			problems = append(problems, field.Invalid(item, namespace, problem))
		}
		if other, taken := first[namespace]; taken {
			problems = append(problems, field.Invalid(item, namespace, fmt.Sprintf("tenant %q has it already: give each tenant a namespace of its own", other)))
		} else {
			first[namespace] = tenant
		}
		if mapping.Fixed != "" && namespace == mapping.Fixed && !mapping.OnlyTenants {
			problems = append(problems, field.Invalid(item, namespace, "all other tenants go there by fixed: use another namespace, or leave the entry out"))
		}
	}
	if mapping.OnlyTenants && len(mapping.Tenants) == 0 {
		problems = append(problems, field.Required(path.Child("tenants"), "onlyTenants without tenants refuses every record: name some, or set quotas.deployments to 0"))
	}
	if problem := unusable(mapping.Fixed); mapping.Fixed != "" && problem != "" {
		problems = append(problems, field.Invalid(path.Child("fixed"), mapping.Fixed, problem))
	}
	if strings.HasPrefix(mapping.Prefix, systemPrefix) {
		problems = append(problems, field.Invalid(path.Child("prefix"), mapping.Prefix, "namespaces of Kubernetes itself start with "+systemPrefix+": use another prefix"))
	}
	return problems
}

func validateQuotas(quotas v1alpha1.Quotas, path *field.Path) field.ErrorList {
	var problems field.ErrorList
	if cpu := quotas.CPU; cpu != nil && cpu.Sign() < 0 {
		problems = append(problems, field.Invalid(path.Child("cpu"), cpu.String(), "must not be negative"))
	}
	if memory := quotas.Memory; memory != nil && memory.Sign() < 0 {
		problems = append(problems, field.Invalid(path.Child("memory"), memory.String(), "must not be negative"))
	}
	return problems
}

// validateResources knows the resources of a container. A name that no node has
// would be a ceiling without effect, or keep every pod from being placed.
func validateResources(list corev1.ResourceList, path *field.Path) field.ErrorList {
	var problems field.ErrorList
	for _, name := range slices.Sorted(maps.Keys(list)) {
		item, size := path.Key(string(name)), list[name]
		if !knownResource(name) {
			problems = append(problems, field.Invalid(item, string(name),
				"is no resource of a container: use cpu, memory, ephemeral-storage, hugepages-<size> or a name with a domain, such as example.com/gpu"))
		}
		if size.Sign() < 0 {
			problems = append(problems, field.Invalid(item, size.String(), "must not be negative"))
		}
	}
	return problems
}

func knownResource(name corev1.ResourceName) bool {
	known := []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage}
	if slices.Contains(known, name) || strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix) {
		return true
	}
	return strings.Contains(string(name), "/") && len(validation.IsQualifiedName(string(name))) == 0
}

func validateODGM(odgm v1alpha1.EnvironmentODGM, path *field.Path) field.ErrorList {
	var problems field.ErrorList
	if odgm.Image != "" {
		if _, err := reference.ParseNormalizedNamed(odgm.Image); err != nil {
			problems = append(problems, field.Invalid(path.Child("image"), odgm.Image, err.Error()+": use a reference such as registry.example/odgm:1.0"))
		}
	}
	resources := path.Child("resources")
	problems = append(problems, validateResources(odgm.Resources.Requests, resources.Child("requests"))...)
	problems = append(problems, validateResources(odgm.Resources.Limits, resources.Child("limits"))...)
	for _, name := range slices.Sorted(maps.Keys(odgm.Resources.Requests)) {
		request := odgm.Resources.Requests[name]
		if limit, limited := odgm.Resources.Limits[name]; limited && request.Cmp(limit) > 0 {
			problems = append(problems, field.Invalid(resources.Child("requests").Key(string(name)), request.String(), "must not exceed the limit "+limit.String()))
		}
	}
	if odgm.Storage != nil {
		if size := odgm.Storage.Size; size != nil && size.Sign() <= 0 {
			problems = append(problems, field.Invalid(path.Child("storage", "size"), size.String(), "must be greater than 0"))
		}
		if odgm.Storage.ClassName != "" {
			problems = append(problems, validateSubdomain(odgm.Storage.ClassName, path.Child("storage", "className"))...)
		}
	}
	return problems
}

func validateScheduling(scheduling v1alpha1.Scheduling, path *field.Path) field.ErrorList {
	problems := metav1validation.ValidateLabels(scheduling.NodeSelector, path.Child("nodeSelector"))
	for i, toleration := range scheduling.Tolerations {
		problems = append(problems, validateToleration(toleration, path.Child("tolerations").Index(i))...)
	}
	for i, name := range scheduling.ImagePullSecrets {
		problems = append(problems, validateSubdomain(name, path.Child("imagePullSecrets").Index(i))...)
	}
	if name := scheduling.PriorityClassName; name != "" {
		problems = append(problems, validateSubdomain(name, path.Child("priorityClassName"))...)
	}
	if name := scheduling.RuntimeClassName; name != "" {
		problems = append(problems, validateSubdomain(name, path.Child("runtimeClassName"))...)
	}
	return problems
}

// validateToleration asks for what Kubernetes would refuse in every pod.
func validateToleration(toleration corev1.Toleration, path *field.Path) field.ErrorList {
	var problems field.ErrorList
	if toleration.Key != "" {
		problems = append(problems, metav1validation.ValidateLabelName(toleration.Key, path.Child("key"))...)
	}
	switch toleration.Operator {
	case "", corev1.TolerationOpEqual, corev1.TolerationOpLt, corev1.TolerationOpGt:
		if toleration.Key == "" {
			problems = append(problems, field.Required(path.Child("key"), "only the operator Exists does without a key"))
		}
		for _, problem := range validation.IsValidLabelValue(toleration.Value) {
			problems = append(problems, field.Invalid(path.Child("value"), toleration.Value, problem))
		}
	case corev1.TolerationOpExists:
		if toleration.Value != "" {
			problems = append(problems, field.Invalid(path.Child("value"), toleration.Value, "must be empty with the operator Exists"))
		}
	default:
		problems = append(problems, field.NotSupported(path.Child("operator"), toleration.Operator,
			[]corev1.TolerationOperator{corev1.TolerationOpEqual, corev1.TolerationOpExists, corev1.TolerationOpLt, corev1.TolerationOpGt}))
	}
	switch toleration.Effect {
	case "", corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute:
	default:
		problems = append(problems, field.NotSupported(path.Child("effect"), toleration.Effect,
			[]corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute}))
	}
	if toleration.TolerationSeconds != nil && toleration.Effect != corev1.TaintEffectNoExecute {
		problems = append(problems, field.Invalid(path.Child("tolerationSeconds"), *toleration.TolerationSeconds, "needs the effect NoExecute"))
	}
	return problems
}

func validateDimensions(dimensions []string, path *field.Path) field.ErrorList {
	known := []string{"cpu", "latency", "throughput"}
	var problems field.ErrorList
	for i, dimension := range dimensions {
		if !slices.Contains(known, dimension) {
			problems = append(problems, field.NotSupported(path.Index(i), dimension, known))
		}
	}
	return problems
}

func validateEndpoint(endpoint string, path *field.Path) field.ErrorList {
	if endpoint == "" {
		return nil
	}
	parsed, err := url.Parse(endpoint)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" {
		return field.ErrorList{field.Invalid(path, endpoint, "must be the URL of a collector, such as http://collector.monitoring:4317")}
	}
	return nil
}

func validateSubdomain(name string, path *field.Path) field.ErrorList {
	var problems field.ErrorList
	for _, problem := range validation.IsDNS1123Subdomain(name) {
		problems = append(problems, field.Invalid(path, name, problem))
	}
	return problems
}
