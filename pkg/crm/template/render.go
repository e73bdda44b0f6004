// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package template

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Matches evaluates selectionCriteria.when over the record and the requests of its
// functions. A template without the expression matches always. The error is an
// *Error.
func (t *Template) Matches(input Input) (bool, error) {
	if t.when == nil {
		return true, nil
	}
	v := &evaluation{
		variables: map[string]any{variableRecord: input.Record, variableFunctions: input.Requests},
		work:      maxWork,
	}
	matches, err := v.holds(t.when)
	if err != nil {
		return false, err
	}
	return matches, nil
}

// Render makes the objects of a record, in the order of the manifests. The error is
// an *Error.
func (t *Template) Render(input Input) ([]Object, error) {
	r := &rendering{
		template:   t,
		evaluation: evaluation{variables: input.variables(), work: maxWork, size: maxRendering},
		names:      map[identity]string{},
	}
	for i := range t.manifests {
		if err := r.manifest(&t.manifests[i]); err != nil {
			err.Template, err.Manifest = t.Name, t.manifests[i].spec.Name
			return nil, err
		}
	}
	return r.objects, nil
}

// identity of an object in a namespace.
type identity struct {
	kind schema.GroupKind
	name string
}

// rendering is one rendering on its way.
type rendering struct {
	evaluation
	template *Template
	objects  []Object
	// names are the manifests behind the objects.
	names map[identity]string
}

func (r *rendering) manifest(m *manifest) *Error {
	delete(r.variables, variableItem)
	if m.forEach == nil {
		return r.one(m, "")
	}
	value, failed := r.run(m.forEach)
	if failed != nil {
		return failed
	}
	items, ok := value.(traits.Lister)
	if !ok {
		return m.forEach.fail(fmt.Errorf("must be a list, not %s", value.Type().TypeName()))
	}
	for i := items.Iterator(); i.HasNext() == types.True; {
		item := i.Next()
		r.variables[variableItem] = item
		if failed := r.one(m, functionOf(item)); failed != nil {
			return failed
		}
	}
	return nil
}

// functionOf is the key of the function that an item is; empty for anything else.
func functionOf(item ref.Val) string {
	function, _ := item.Value().(Function)
	return function.Key
}

// one makes one object.
func (r *rendering) one(m *manifest, function string) *Error {
	wanted, failed := r.holds(m.includeWhen)
	if failed != nil || !wanted {
		return failed
	}
	if len(r.objects) == maxObjects {
		return &Error{Err: fmt.Errorf("the template makes more than %d objects", maxObjects)}
	}
	r.object = maxObject
	made, failed := m.content.evaluate(&r.evaluation)
	if failed != nil {
		return failed
	}
	content, ok := made.(map[string]any)
	if !ok {
		return &Error{Err: errors.New("is no object")}
	}
	if failed := r.identify(m, content); failed != nil {
		return failed
	}
	r.objects = append(r.objects, Object{
		Manifest: m.spec.Name,
		Content:  content,
		Function: function,
		Roles:    m.spec.Roles,
		Keep:     m.spec.Keep,
		Optional: m.spec.Optional,
	})
	return nil
}

// identify checks the metadata of an object, and that no other has its name.
func (r *rendering) identify(m *manifest, content map[string]any) *Error {
	metadata, _ := content["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return &Error{Field: "metadata.name", Err: fmt.Errorf("%q is no name: %s", name, strings.Join(problems, ", "))}
	}
	for _, of := range []string{"labels", "annotations"} {
		values, ok := metadata[of].(map[string]any)
		if !ok && metadata[of] != nil {
			return &Error{Field: "metadata." + of, Err: errors.New("must be a map of strings")}
		}
		for key, value := range values {
			if _, ok := value.(string); !ok {
				return &Error{Field: join("metadata."+of, key), Err: fmt.Errorf("must be a string, not %v: write ${ string(…) }", value)}
			}
		}
	}
	id := identity{kind: m.kind.GroupKind(), name: name}
	if before, ok := r.names[id]; ok {
		return &Error{Field: "metadata.name", Err: fmt.Errorf("%s %q is made twice, by manifest %q before: let the name depend on item", m.kind.Kind, name, before)}
	}
	r.names[id] = m.spec.Name
	return nil
}
