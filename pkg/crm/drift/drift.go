// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package drift tells whether a live object still holds what was applied to it.
// What others added, and what the API server filled in, is no drift.
package drift

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
)

// listKeys identify the items of lists that are merged by key, in the order in
// which they are tried. An item that has none is compared by position.
var listKeys = [][]string{{"name"}, {"uid"}, {"containerPort", "protocol"}, {"topologyKey"}, {"type"}}

// Find returns the path of the first wanted field that is missing or different
// in live, such as spec.replicas. Both are contents as the unstructured converter
// makes them.
func Find(want, live map[string]any) (path string, found bool) {
	return inMap("", want, live)
}

func inMap(path string, want, live map[string]any) (string, bool) {
	keys := make([]string, 0, len(want))
	for key := range want {
		keys = append(keys, key)
	}
	// The same drift always reads the same.
	slices.Sort(keys)
	for _, key := range keys {
		at := key
		if path != "" {
			at = path + "." + key
		}
		value, ok := live[key]
		if !ok {
			return at, true
		}
		if at, found := inValue(at, want[key], value); found {
			return at, true
		}
	}
	return "", false
}

func inValue(path string, want, live any) (string, bool) {
	switch want := want.(type) {
	case map[string]any:
		live, ok := live.(map[string]any)
		if !ok {
			return path, true
		}
		return inMap(path, want, live)
	case []any:
		live, ok := live.([]any)
		if !ok {
			return path, true
		}
		return inList(path, want, live)
	default:
		return path, !equality.Semantic.DeepEqual(want, live)
	}
}

func inList(path string, want, live []any) (string, bool) {
	for i, item := range want {
		wanted, isMap := item.(map[string]any)
		keys := keysOf(wanted)
		if !isMap || keys == nil {
			// An atomic list: whatever was added to it is a change of it.
			if len(want) != len(live) {
				return path, true
			}
			if at, found := inValue(fmt.Sprintf("%s[%d]", path, i), item, live[i]); found {
				return at, true
			}
			continue
		}
		at := fmt.Sprintf("%s[%v]", path, wanted[keys[0]])
		match := slices.IndexFunc(live, func(candidate any) bool {
			candidateMap, ok := candidate.(map[string]any)
			return ok && !slices.ContainsFunc(keys, func(key string) bool { return candidateMap[key] != wanted[key] })
		})
		if match < 0 {
			return at, true
		}
		if at, found := inValue(at, item, live[match]); found {
			return at, true
		}
	}
	return "", false
}

// keysOf returns the keys that identify an item, nil for none. Only scalars
// identify.
func keysOf(item map[string]any) []string {
	for _, keys := range listKeys {
		if !slices.ContainsFunc(keys, func(key string) bool { return !isScalar(item[key]) }) {
			return keys
		}
	}
	return nil
}

func isScalar(value any) bool {
	switch value.(type) {
	case string, int64, bool, float64:
		return true
	default:
		return false
	}
}
