// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// Validate checks what the rules of the custom resource definition cannot say.
func Validate(configuration *v1alpha1.EnvironmentConfig) field.ErrorList {
	return validateNamespaces(configuration.Spec.Namespaces, field.NewPath("spec", "namespaces"))
}

func validateNamespaces(mapping v1alpha1.NamespaceMapping, path *field.Path) field.ErrorList {
	var problems field.ErrorList
	if problem := unusable(mapping.Fixed); mapping.Fixed != "" && problem != "" {
		problems = append(problems, field.Invalid(path.Child("fixed"), mapping.Fixed, problem))
	}
	return problems
}
