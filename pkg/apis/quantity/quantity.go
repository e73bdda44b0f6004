// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package quantity reads Kubernetes quantities that come from others. The library of
// Kubernetes computes some of a few characters, such as 1e-2147483640, for hours and
// with all memory that there is.
package quantity

import (
	"errors"
	"math"
	"regexp"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Pattern is what the definitions of our kinds take for a quantity: that of
// Kubernetes, with bounds on digits and exponents.
const Pattern = `^(\+|-)?(([0-9]{1,64}(\.[0-9]{0,64})?)|(\.[0-9]{1,64}))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]{1,2}))?$`

var pattern = regexp.MustCompile(Pattern)

// Parse reads a quantity. The error says what one looks like.
func Parse(text string) (resource.Quantity, error) {
	if pattern.MatchString(text) {
		if parsed, err := resource.ParseQuantity(text); err == nil {
			return parsed, nil
		}
	}
	return resource.Quantity{}, errors.New("must be a Kubernetes quantity, such as 200m or 256Mi")
}

// TooLargeReason says what a quantity that is TooLarge must not exceed.
const TooLargeReason = "must not exceed 9223372036854775807"

// TooLarge tells of a quantity whether it exceeds what Kubernetes counts to. It
// computes with it as little as possible: to compare 1e2147483647 with anything takes
// gigabytes.
func TooLarge(size resource.Quantity) bool {
	return size.AsApproximateFloat64() > math.MaxInt64
}
