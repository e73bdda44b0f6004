// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"oaas.io/oaas/pkg/apis/pm/resources"
)

func addFieldLabelConversionFuncs(scheme *runtime.Scheme) error {
	for _, resource := range resources.All() {
		selectable := resource.Selectable()
		err := scheme.AddFieldLabelConversionFunc(SchemeGroupVersion.WithKind(resource.Kind), func(label, value string) (string, string, error) {
			if !slices.Contains(selectable, label) {
				return "", "", fmt.Errorf("%s is not a field that %s can be selected by: use one of %s",
					label, resource.Kind, strings.Join(selectable, ", "))
			}
			return label, value, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
