// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/pm"
)

// PackageWarnings tells what a package allows but its author likely does not
// mean.
func PackageWarnings(p *pm.Package) []string {
	var warnings []string
	for i := range p.Spec.Functions {
		function, path := &p.Spec.Functions[i], field.NewPath("spec", "functions").Index(i)
		warnings = append(warnings, plainSecrets(function, path.Child("config"))...)
		if function.Type != pm.FunctionCustom && len(function.SecretConfig) > 0 {
			warnings = append(warnings, fmt.Sprintf("%s: ignored, only Custom functions have containers", path.Child("secretConfig")))
		}
		if function.Provision == nil {
			continue
		}
		path = path.Child("provision")
		if function.Type != pm.FunctionCustom && len(function.Provision.VolumeMounts) > 0 {
			warnings = append(warnings, fmt.Sprintf("%s: ignored, only Custom functions have containers", path.Child("volumeMounts")))
		}
		if image := function.Provision.Image; image != "" {
			if function.Type != pm.FunctionCustom {
				warnings = append(warnings, fmt.Sprintf("%s: ignored, only Custom functions run an image", path.Child("image")))
			} else if mutableTag(image) {
				warnings = append(warnings, fmt.Sprintf("%s: %s can change under a running deployment, name a version or a digest", path.Child("image"), image))
			}
		}
		if function.Provision.WasmModuleURL != "" && function.Type != pm.FunctionWasm {
			warnings = append(warnings, fmt.Sprintf("%s: ignored, only Wasm functions run a module", path.Child("wasmModuleURL")))
		}
	}
	for i := range p.Spec.Classes {
		class := &p.Spec.Classes[i]
		for j := range class.FunctionBindings {
			if class.FunctionBindings[j].TriggerOnStateChange && class.StateSpec == nil {
				path := field.NewPath("spec", "classes").Index(i).Child("functionBindings").Index(j).Child("triggerOnStateChange")
				warnings = append(warnings, fmt.Sprintf("%s: never happens, the class has no stateSpec", path))
			}
		}
	}
	return warnings
}

// plainSecrets warns of values that everybody who reads the package can read, by
// the names that such values have. A name that ends in _FILE or _PATH says where
// the value is.
func plainSecrets(function *pm.FunctionDefinition, path *field.Path) []string {
	var warnings []string
	for _, name := range slices.Sorted(maps.Keys(function.Config)) {
		upper := strings.ToUpper(name)
		if strings.HasSuffix(upper, "_FILE") || strings.HasSuffix(upper, "_PATH") || function.Config[name] == "" {
			continue
		}
		secret := func(word string) bool { return strings.Contains(upper, word) }
		if slices.ContainsFunc([]string{"PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "APIKEY", "PRIVATE_KEY", "CREDENTIAL"}, secret) {
			warnings = append(warnings, fmt.Sprintf("%s: looks like a secret in plain text, use secretConfig", path.Key(name)))
		}
	}
	return warnings
}

// mutableTag is true for a reference that a registry may answer with another
// image tomorrow without anybody having chosen so.
func mutableTag(image string) bool {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return false
	}
	if _, pinned := named.(reference.Digested); pinned {
		return false
	}
	tagged, ok := named.(reference.Tagged)
	return !ok || tagged.Tag() == "latest"
}

// ClassDeploymentWarnings tells what a class deployment allows but its author
// likely does not mean.
func ClassDeploymentWarnings(d *pm.ClassDeployment) []string {
	var warnings []string
	if d.Spec.NFR == (pm.NFRRequirements{}) && d.Spec.Replicas == nil {
		warnings = append(warnings, "spec.nfr: without any requirement one replica of each function runs")
	}
	return warnings
}

// ClusterWarnings tells what a cluster allows but its author likely does not
// mean.
func ClusterWarnings(c *pm.Cluster) []string {
	var warnings []string
	if c.Spec.TLS == nil {
		warnings = append(warnings, "spec.tls: absent, the connection is in plain text; set it unless the network is trusted")
	}
	return warnings
}
