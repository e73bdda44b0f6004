// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"errors"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// waves splits items of one kind so that a package comes in a later wave than all
// that it depends on. Packages in a circle come last: the server says which.
func waves(items []item) [][]int {
	names := make([]string, 0, len(items))
	needs := make([][]string, 0, len(items))
	for _, i := range items {
		names = append(names, i.GetNamespace()+"/"+i.GetName())
		needs = append(needs, dependencyNames(i.Unstructured))
	}
	return levels(names, needs)
}

// levels are the indices of names, those first that need no other of them.
func levels(names []string, needs [][]string) [][]int {
	// pending are the names that have no place yet.
	pending := map[string]bool{}
	left := make([]int, 0, len(names))
	for i, name := range names {
		left = append(left, i)
		pending[name] = true
	}
	var out [][]int
	for len(left) > 0 {
		var level, later []int
		for _, i := range left {
			waits := slices.ContainsFunc(needs[i], func(name string) bool { return name != names[i] && pending[name] })
			if waits {
				later = append(later, i)
			} else {
				level = append(level, i)
			}
		}
		if len(level) == 0 {
			return append(out, left)
		}
		for _, i := range level {
			delete(pending, names[i])
		}
		out, left = append(out, level), later
	}
	return out
}

// dependencyNames are the packages that a package depends on, with its namespace;
// none for an object of another kind.
func dependencyNames(u *unstructured.Unstructured) []string {
	if u == nil || u.GetKind() != "Package" {
		return nil
	}
	dependencies, _, err := unstructured.NestedSlice(u.Object, "spec", "dependencies")
	if err != nil {
		// The server tells what is wrong with it.
		return nil
	}
	var names []string
	for _, dependency := range dependencies {
		if fields, ok := dependency.(map[string]any); ok {
			if name, ok := fields["name"].(string); ok {
				names = append(names, u.GetNamespace()+"/"+name)
			}
		}
	}
	return names
}

// hasNeighbours is true for a package that depends on another one of the items,
// or another one on it, as the files or as the server have it.
func hasNeighbours(items []item, i int) bool {
	own := items[i].GetNamespace() + "/" + items[i].GetName()
	needs := slices.Concat(dependencyNames(items[i].Unstructured), dependencyNames(items[i].before))
	for j := range items {
		if j == i {
			continue
		}
		if slices.Contains(needs, items[j].GetNamespace()+"/"+items[j].GetName()) ||
			slices.Contains(dependencyNames(items[j].Unstructured), own) || slices.Contains(dependencyNames(items[j].before), own) {
			return true
		}
	}
	return false
}

// isAboutOthers is true for a refusal that another package may be the reason of: a
// conflict that is not about who owns a field, or fields that refer to others.
func isAboutOthers(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	causes := status.Status().Details.Causes
	if apierrors.IsConflict(err) {
		return len(causes) == 0
	}
	if !apierrors.IsInvalid(err) || len(causes) == 0 {
		return false
	}
	for _, cause := range causes {
		if !strings.HasPrefix(cause.Field, "spec.dependencies") && !strings.Contains(cause.Field, "functionBindings") &&
			cause.Field != "spec.version" && cause.Field != "spec.functions" {
			return false
		}
	}
	return true
}
