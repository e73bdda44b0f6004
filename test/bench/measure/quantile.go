// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package measure holds what benchmarks do with what they read: quantiles, stamps
// in a stream, memory and start times as the system and the Go runtime tell them.
// It reads no file and opens no connection.
package measure

import (
	"cmp"
	"math"
	"slices"
)

// Quantile returns the smallest of the values that at least the share q of them
// does not exceed (nearest rank), with q between 0 and 1. Of no values it is zero.
func Quantile[T cmp.Ordered](values []T, q float64) T {
	if len(values) == 0 {
		var zero T
		return zero
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[max(0, min(rank, len(sorted))-1)]
}

// Median returns the middle of the values, the lower one of two.
func Median[T cmp.Ordered](values []T) T { return Quantile(values, 0.5) }
