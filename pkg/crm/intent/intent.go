// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package intent makes typed objects into the content of a server-side apply.
package intent

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// From returns what a typed object wishes: all that is set, without the status,
// which is not for the same actor to apply, and without the nulls and empty maps
// that structs leave behind where nothing is set. Applied, those would own fields
// that nobody meant, and become null when a field in them is taken back.
func From(object runtime.Object) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("convert %T: %w", object, err)
	}
	delete(content, "status")
	dropEmpty(content)
	return &unstructured.Unstructured{Object: content}, nil
}

// emptyDir is a choice among volumes, whether or not anything is said of it.
const emptyDir = "emptyDir"

func dropEmpty(content map[string]any) {
	for key, value := range content {
		switch value := value.(type) {
		case nil:
			delete(content, key)
		case map[string]any:
			dropEmpty(value)
			if len(value) == 0 && key != emptyDir {
				delete(content, key)
			}
		case []any:
			for _, item := range value {
				if item, ok := item.(map[string]any); ok {
					dropEmpty(item)
				}
			}
		}
	}
}
