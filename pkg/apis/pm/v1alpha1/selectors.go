// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
)

// SelectableFields names, by kind, the fields beside metadata.name and
// metadata.namespace that field selectors may use.
func SelectableFields() map[string][]string {
	return map[string][]string{
		"Package":         {"spec.disabled", "spec.version"},
		"ClassDeployment": {"spec.packageName", "spec.classKey", "status.phase"},
		"Cluster":         {"spec.region", "spec.unschedulable", "status.health"},
	}
}

func addFieldLabelConversionFuncs(scheme *runtime.Scheme) error {
	for kind, selectable := range SelectableFields() {
		allowed := append([]string{"metadata.name"}, selectable...)
		if kind != "Cluster" {
			allowed = append(allowed, "metadata.namespace")
		}
		err := scheme.AddFieldLabelConversionFunc(SchemeGroupVersion.WithKind(kind), func(label, value string) (string, string, error) {
			if !slices.Contains(allowed, label) {
				return "", "", fmt.Errorf("%s is not a field that %s can be selected by: use one of %s", label, kind, strings.Join(allowed, ", "))
			}
			return label, value, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
