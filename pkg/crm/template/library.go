// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package template

import (
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"oaas.io/oaas/pkg/crm/render/names"
)

// library are the functions that Kubernetes objects need and the language lacks.
func library() cel.EnvOption {
	object := cel.MapType(cel.StringType, cel.DynType)
	return cel.Lib(functionLibrary{options: []cel.EnvOption{
		// merge(a, b): a with the fields of b put over it, deep.
		cel.Function("merge", cel.Overload("merge_map_map", []*cel.Type{object, object}, object,
			cel.BinaryBinding(func(a, b ref.Val) ref.Val { return merge(a, b, maxDepth) }))),
		// labelValue(text): the text as a valid label value.
		cel.Function("labelValue", cel.Overload("label_value_string", []*cel.Type{cel.StringType}, cel.StringType,
			cel.UnaryBinding(func(text ref.Val) ref.Val {
				value, ok := text.(types.String)
				if !ok {
					return types.MaybeNoSuchOverloadErr(text)
				}
				return types.String(names.LabelValue(string(value)))
			}))),
		// childName(name, suffix): a name of at most 63 characters that ends in the
		// suffix.
		cel.Function("childName", cel.Overload("child_name_string_string", []*cel.Type{cel.StringType, cel.StringType}, cel.StringType,
			cel.BinaryBinding(func(name, suffix ref.Val) ref.Val {
				n, okName := name.(types.String)
				s, okSuffix := suffix.(types.String)
				if !okName || !okSuffix {
					return types.MaybeNoSuchOverloadErr(name)
				}
				child, err := names.Child(string(n), string(s))
				if err != nil {
					return types.WrapErr(err)
				}
				return types.String(child)
			}))),
	}})
}

type functionLibrary struct{ options []cel.EnvOption }

// CompileOptions declares the functions.
func (l functionLibrary) CompileOptions() []cel.EnvOption { return l.options }

// ProgramOptions has none.
func (functionLibrary) ProgramOptions() []cel.ProgramOption { return nil }

// merge puts the fields of one map over those of another. Maps in both are merged;
// everything else, lists included, is replaced, and null takes a field away.
func merge(a, b ref.Val, depth int) ref.Val {
	under, okUnder := a.(traits.Mapper)
	over, okOver := b.(traits.Mapper)
	if !okUnder || !okOver {
		return types.MaybeNoSuchOverloadErr(a)
	}
	if depth == 0 {
		return types.WrapErr(errTooDeep)
	}
	merged := map[ref.Val]ref.Val{}
	for i := under.Iterator(); i.HasNext() == types.True; {
		key := i.Next()
		merged[key] = under.Get(key)
	}
	for i := over.Iterator(); i.HasNext() == types.True; {
		key := i.Next()
		value := over.Get(key)
		if value.Type() == types.NullType {
			delete(merged, key)
			continue
		}
		if before, ok := merged[key].(traits.Mapper); ok {
			if _, ok := value.(traits.Mapper); ok {
				value = merge(before, value, depth-1)
				if types.IsError(value) {
					return value
				}
			}
		}
		merged[key] = value
	}
	return types.NewRefValMap(types.DefaultTypeAdapter, merged)
}
