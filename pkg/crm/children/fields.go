// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package children

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// Holds tells whether the object is as the intent wants it. Otherwise path is the
// first field that is not, such as spec.replicas.
//
// Whoever changes or removes a field that the reconciler applied takes it over in
// the object's managed fields, so an object holds an intent as long as it has the
// intent's hash and every field of the intent is still the reconciler's. What
// others added and the API server filled in is not looked at.
func (o *Object) Holds(intent *unstructured.Unstructured) (path string, holds bool) {
	hash := intent.GetAnnotations()[v1alpha1.AnnotationSpecHash]
	if o.Annotations[v1alpha1.AnnotationSpecHash] != hash || hash == "" {
		return "metadata.annotations." + v1alpha1.AnnotationSpecHash, false
	}
	if o.Proven(hash) {
		return "", true
	}
	var owned map[string]any
	if err := json.Unmarshal(o.applied, &owned); err != nil {
		// Nothing of it is the reconciler's.
		return "metadata.managedFields", false
	}
	if path, missing := missingIn("", withoutIdentity(intent.Object), owned); missing {
		return path, false
	}
	o.proven.Store(&hash)
	return "", true
}

// Proven tells that the object was found to hold the intent with a hash, and has not
// changed since. False means that it is not known.
func (o *Object) Proven(hash string) bool {
	proven := o.proven.Load()
	return proven != nil && *proven == hash && o.Annotations[v1alpha1.AnnotationSpecHash] == hash
}

// withoutIdentity leaves out what no manager owns.
func withoutIdentity(intent map[string]any) map[string]any {
	content := make(map[string]any, len(intent))
	for key, value := range intent {
		switch key {
		case "apiVersion", "kind":
		case "metadata":
			if metadata, ok := value.(map[string]any); ok {
				kept := map[string]any{}
				for _, field := range []string{"labels", "annotations", "ownerReferences", "finalizers"} {
					if value, ok := metadata[field]; ok {
						kept[field] = value
					}
				}
				content[key] = kept
			}
		default:
			content[key] = value
		}
	}
	return content
}

// missingIn returns the path of the first field of want that is not among those
// owned, which are in the form of FieldsV1.
func missingIn(path string, want, owned map[string]any) (string, bool) {
	keys := make([]string, 0, len(want))
	for key, value := range want {
		// A null asks for absence, which nobody owns.
		if value != nil {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		at := key
		if path != "" {
			at = path + "." + key
		}
		node, ok := owned["f:"+key].(map[string]any)
		if !ok {
			if isEmpty(want[key]) {
				continue
			}
			return at, true
		}
		if at, missing := missingBelow(at, want[key], node); missing {
			return at, true
		}
	}
	return "", false
}

func missingBelow(path string, want any, owned map[string]any) (string, bool) {
	if len(owned) == 0 {
		// A leaf, or an atomic value that is owned as a whole.
		return "", false
	}
	switch want := want.(type) {
	case map[string]any:
		return missingIn(path, want, owned)
	case []any:
		items := itemsOf(owned)
		for i, item := range want {
			if at, missing := missingItem(fmt.Sprintf("%s[%d]", path, i), item, items); missing {
				return at, true
			}
		}
	}
	return "", false
}

// missingItem looks for an item of a list that is merged by keys or as a set.
func missingItem(path string, item any, owned ownedItems) (string, bool) {
	first, found := path, false
	for candidate := range owned.of(item) {
		content, isMap := item.(map[string]any)
		if !isMap || len(candidate.node) == 0 {
			return "", false
		}
		at, missing := missingIn(path, content, candidate.node)
		if !missing {
			return "", false
		}
		if !found || at < first {
			first, found = at, true
		}
	}
	return first, true
}

// ownedItem is an item of a list in the form of FieldsV1: a path element such as
// k:{"name":"a"} or v:"a", and which fields below it are owned.
type ownedItem struct {
	// keys are nil for an item of a set, which has a value instead.
	keys  map[string]any
	value any
	node  map[string]any
}

// ownedItems are all of a list, found by what identifies them: lists can have
// thousands of items.
type ownedItems struct {
	all   []ownedItem
	known map[string]int
	// keys are the names of the keys of the list.
	keys []string
}

func itemsOf(owned map[string]any) ownedItems {
	items := ownedItems{known: make(map[string]int, len(owned))}
	for element, node := range owned {
		node, ok := node.(map[string]any)
		kind, text, _ := strings.Cut(element, ":")
		item := ownedItem{node: node}
		into := any(&item.value)
		if kind == "k" {
			into = &item.keys
		}
		if !ok || (kind != "k" && kind != "v") || json.Unmarshal([]byte(text), into) != nil {
			continue
		}
		if kind == "k" && items.keys == nil {
			items.keys = slices.Sorted(maps.Keys(item.keys))
		}
		if identity, ok := items.identityOf(item.content()); ok {
			items.known[identity] = len(items.all)
		}
		items.all = append(items.all, item)
	}
	return items
}

func (i ownedItem) content() any {
	if i.keys != nil {
		return i.keys
	}
	return i.value
}

// identityOf returns what tells an item from the others; false where a key is left
// out, which the API server fills in.
func (l ownedItems) identityOf(item any) (string, bool) {
	identity := item
	if content, isMap := item.(map[string]any); isMap {
		values := make([]any, len(l.keys))
		for i, key := range l.keys {
			value, ok := content[key]
			if !ok {
				return "", false
			}
			values[i] = value
		}
		identity = values
	}
	encoded, err := json.Marshal(identity)
	return string(encoded), err == nil
}

// of returns the items that may stand for an item of the content.
func (l ownedItems) of(item any) iter.Seq[ownedItem] {
	return func(yield func(ownedItem) bool) {
		if identity, ok := l.identityOf(item); ok {
			if at, ok := l.known[identity]; ok {
				yield(l.all[at])
				return
			}
		}
		for _, owned := range l.all {
			if owned.identifies(item) && !yield(owned) {
				return
			}
		}
	}
}

// identifies tells whether a path element stands for an item. Keys that the item
// leaves out were filled in by the API server.
func (i ownedItem) identifies(item any) bool {
	if i.keys == nil {
		return sameScalar(i.value, item)
	}
	content, ok := item.(map[string]any)
	if !ok {
		return false
	}
	for key, value := range i.keys {
		if own, ok := content[key]; ok && !sameScalar(value, own) {
			return false
		}
	}
	return true
}

// sameScalar compares what was read from JSON, where numbers are floats, with the
// content of an object.
func sameScalar(read, own any) bool {
	switch own := own.(type) {
	case int64:
		number, ok := read.(float64)
		return ok && number == float64(own)
	default:
		return equality.Semantic.DeepEqual(read, own)
	}
}

func isEmpty(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		return len(value) == 0
	case []any:
		return len(value) == 0
	default:
		return false
	}
}
