// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// +k8s:validation-gen=TypesWithField=LastTransitionTime
// +k8s:validation-gen-input=k8s.io/apimachinery/pkg/apis/meta/v1
// +k8s:validation-gen-scheme-registry=nil

// Package validation holds the declared rules of Kubernetes' own condition type,
// which the rules of our types refer to. validation-gen cannot refer to those in
// k8s.io/apimachinery, whose rules and types live in different packages.
package validation

import (
	"context"

	"k8s.io/apimachinery/pkg/api/operation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateCustom_Condition_LastTransitionTime is the rule that the generated code
// names.
func ValidateCustom_Condition_LastTransitionTime(ctx context.Context, op operation.Operation, path *field.Path, value, old *metav1.Time) field.ErrorList {
	return metav1validation.ValidateCustom_Condition_LastTransitionTime(ctx, op, path, value, old)
}
