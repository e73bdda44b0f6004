// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package nfr

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// namesOf are the resources of the lists, sorted, each once.
func namesOf(lists ...corev1.ResourceList) []corev1.ResourceName {
	names := map[corev1.ResourceName]struct{}{}
	for _, list := range lists {
		for name := range list {
			names[name] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func find(list corev1.ResourceList, name corev1.ResourceName) *resource.Quantity {
	if size, ok := list[name]; ok {
		return &size
	}
	return nil
}

// lower is the size, or the ceiling where that is less.
func lower(size *resource.Quantity, most resource.Quantity) *resource.Quantity {
	if size == nil || size.Cmp(most) <= 0 {
		return size
	}
	return &most
}
