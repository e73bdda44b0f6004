// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"

	"github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/pm"
)

// PackageWarnings tells what a package allows but its author likely does not
// mean.
func PackageWarnings(p *pm.Package) []string {
	var warnings []string
	for i := range p.Spec.Functions {
		function, path := &p.Spec.Functions[i], field.NewPath("spec", "functions").Index(i).Child("provision")
		if function.Provision == nil {
			continue
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
