// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/quantity"
)

func validateFunction(function *pm.FunctionDefinition, path *field.Path) field.ErrorList {
	errs := validateKeyForm(function.Key, path.Child("key"))
	errs = append(errs, validateImplementation(function, path.Child("provision"))...)
	if function.Provision != nil {
		errs = append(errs, validateProvision(function.Provision, path.Child("provision"))...)
	}
	for _, name := range slices.Sorted(maps.Keys(function.Config)) {
		errs = append(errs, invalidFor(name, path.Child("config").Key(name), validation.IsCIdentifier(name))...)
	}
	return append(errs, validateSecretConfig(function, path.Child("secretConfig"))...)
}

// validateSecretConfig checks the names of variables and keys. That each is there
// and once, and the names of Secrets, are declared.
func validateSecretConfig(function *pm.FunctionDefinition, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, variable := range function.SecretConfig {
		at := path.Index(i)
		if variable.Name != "" && len(variable.Name) <= maxVariableLength {
			errs = append(errs, invalidFor(variable.Name, at.Child("name"), validation.IsCIdentifier(variable.Name))...)
		}
		if _, taken := function.Config[variable.Name]; taken {
			errs = append(errs, field.Invalid(at.Child("name"), variable.Name, "is in config too: a variable has one value, take it out of one of the two"))
		}
		if variable.Key != "" && len(variable.Key) <= maxVariableLength {
			errs = append(errs, invalidFor(variable.Key, at.Child("key"), validation.IsConfigMapKey(variable.Key))...)
		}
	}
	return errs
}

// validateImplementation checks that a function of its type can be run at all.
func validateImplementation(function *pm.FunctionDefinition, path *field.Path) field.ErrorList {
	provision := function.Provision
	if provision == nil {
		provision = &pm.FunctionProvision{}
	}
	switch function.Type {
	case pm.FunctionCustom:
		if provision.Image == "" {
			return field.ErrorList{field.Required(path.Child("image"), "a Custom function runs a container image: name one")}
		}
		if function.Provision.Port == 0 {
			return field.ErrorList{field.Required(path.Child("port"), "a Custom function serves HTTP on a port between 1 and 65535")}
		}
	case pm.FunctionWasm:
		if provision.WasmModuleURL == "" {
			return field.ErrorList{field.Required(path.Child("wasmModuleURL"), "a Wasm function runs a module: say where it is fetched from")}
		}
	case pm.FunctionBuiltin, pm.FunctionMacro, pm.FunctionLogical:
	}
	return nil
}

func validateProvision(provision *pm.FunctionProvision, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if provision.Image != "" && len(provision.Image) <= maxImageLength {
		if _, err := reference.ParseNormalizedNamed(provision.Image); err != nil {
			errs = append(errs, field.Invalid(path.Child("image"), provision.Image,
				fmt.Sprintf("%v: write registry/repository:tag in lower case, such as ghcr.io/acme/echo:1.2", err)))
		}
	}
	if provision.WasmModuleURL != "" && len(provision.WasmModuleURL) <= maxURLLength {
		errs = append(errs, validateModuleURL(provision.WasmModuleURL, path.Child("wasmModuleURL"))...)
	}
	errs = append(errs, validateResources(&provision.Resources, path.Child("resources"))...)
	errs = append(errs, validateBounds(provision.MinScale, provision.MaxScale, path.Child("minScale"), path.Child("maxScale"))...)
	if provision.Probes != nil {
		probesPath := path.Child("probes")
		errs = append(errs, validateProbe(provision.Probes.Startup, probesPath.Child("startup"))...)
		errs = append(errs, validateProbe(provision.Probes.Readiness, probesPath.Child("readiness"))...)
		errs = append(errs, validateProbe(provision.Probes.Liveness, probesPath.Child("liveness"))...)
	}
	return append(errs, validateVolumeMounts(provision.VolumeMounts, path.Child("volumeMounts"))...)
}

func validateModuleURL(value string, path *field.Path) field.ErrorList {
	const remedy = "must be an http, https, oci or file URL, such as https://example.com/echo.wasm"
	parsed, err := url.Parse(value)
	if err != nil {
		return field.ErrorList{field.Invalid(path, value, remedy)}
	}
	switch parsed.Scheme {
	case "http", "https", "oci":
		if parsed.Host == "" {
			return field.ErrorList{field.Invalid(path, value, remedy+": the host is missing")}
		}
	case "file":
		if !strings.HasPrefix(parsed.Path, "/") {
			return field.ErrorList{field.Invalid(path, value, "must name a file by its absolute path, such as file:///modules/echo.wasm")}
		}
	default:
		return field.ErrorList{field.Invalid(path, value, remedy)}
	}
	return nil
}

func validateResources(resources *pm.FunctionResources, path *field.Path) field.ErrorList {
	errs := validateQuantities(resources.Requests, path.Child("requests"))
	errs = append(errs, validateQuantities(resources.Limits, path.Child("limits"))...)
	for _, name := range slices.Sorted(maps.Keys(resources.Requests)) {
		request := resources.Requests[name]
		if limit, found := resources.Limits[name]; found && request.Cmp(limit) > 0 {
			errs = append(errs, field.Invalid(path.Child("requests").Key(name), request.String(),
				fmt.Sprintf("must not exceed the limit (%s)", limit.String())))
		} else if found && exclusive(name) && request.Cmp(limit) != 0 {
			errs = append(errs, field.Invalid(path.Child("requests").Key(name), request.String(),
				fmt.Sprintf("must equal the limit (%s), since %s is not shared: leave one of the two out", limit.String(), name)))
		}
	}
	return errs
}

// exclusive resources belong to one container: devices, and huge pages.
func exclusive(name string) bool {
	return strings.Contains(name, "/") || strings.HasPrefix(name, corev1.ResourceHugePagesPrefix)
}

func validateQuantities(quantities map[string]resource.Quantity, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, name := range slices.Sorted(maps.Keys(quantities)) {
		errs = append(errs, validateResourceName(name, path.Key(name))...)
		size := quantities[name]
		problems := validateQuantity(size, path.Key(name))
		if len(problems) == 0 && strings.Contains(name, "/") && size.MilliValue()%1000 != 0 {
			problems = field.ErrorList{field.Invalid(path.Key(name), size.String(), "must be a whole number: a device is not divided")}
		}
		errs = append(errs, problems...)
	}
	return errs
}

// validateQuantity takes what clusters take.
func validateQuantity(size resource.Quantity, path *field.Path) field.ErrorList {
	switch {
	case size.Sign() < 0:
		return field.ErrorList{field.Invalid(path, size.String(), "must not be negative")}
	case quantity.TooLarge(size):
		return field.ErrorList{field.Invalid(path, size.String(), quantity.TooLargeReason)}
	default:
		return nil
	}
}

// validateResourceName takes the names that Kubernetes knows for containers and
// any extended resource, which has a domain.
func validateResourceName(name string, path *field.Path) field.ErrorList {
	if strings.Contains(name, "/") {
		return invalidFor(name, path, validation.IsQualifiedName(name))
	}
	if strings.HasPrefix(name, corev1.ResourceHugePagesPrefix) {
		return nil
	}
	return validateEnum(name, path,
		string(corev1.ResourceCPU), string(corev1.ResourceMemory), string(corev1.ResourceEphemeralStorage))
}

func validateProbe(probe *pm.HTTPProbe, path *field.Path) field.ErrorList {
	if probe == nil || probe.Path == "" || len(probe.Path) > maxURLLength || strings.HasPrefix(probe.Path, "/") {
		return nil
	}
	return field.ErrorList{field.Invalid(path.Child("path"), probe.Path, "must begin with /, such as /healthz")}
}
