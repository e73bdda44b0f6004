// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package template

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"k8s.io/apimachinery/pkg/runtime"
)

// expression is compiled and knows where it stands.
type expression struct {
	source  string
	at      position
	where   Error
	ast     *cel.Ast
	program cel.Program
	out     *cel.Type
}

// fail is an error of the expression as a whole.
func (e *expression) fail(err error) *Error {
	failed := e.where
	failed.Err = err
	return &failed
}

// locate moves the position to a place in the expression, which begins at a place
// of its own.
func (e *Error) locate(at position, in common.Location) {
	if in == nil || in.Line() < 1 {
		return
	}
	e.Line, e.Column = at.line+in.Line()-1, in.Column()+1
	if in.Line() == 1 {
		e.Column = at.column + in.Column()
	}
}

// evaluation is one rendering, or one question to the criteria.
type evaluation struct {
	variables map[string]any
	// work and size are left for all objects, object for the present one.
	work, size, object budget
}

// run evaluates an expression.
func (v *evaluation) run(e *expression) (ref.Val, *Error) {
	value, details, err := e.program.Eval(v.variables)
	if err != nil {
		failed := e.fail(errors.New(plain(err.Error())))
		if at, ok := errors.AsType[*types.Err](err); ok {
			failed.locate(e.at, e.ast.NativeRep().SourceInfo().GetStartLocation(at.NodeID()))
		}
		if errors.Is(err, errTooMuchWork) || strings.Contains(err.Error(), "cost limit exceeded") {
			failed.Err = errTooMuchWork
		}
		return nil, failed
	}
	if used := details.ActualCost(); used != nil && !v.work.take(*used) {
		return nil, e.fail(fmt.Errorf("all expressions together: %w", errTooMuchWork))
	}
	return value, nil
}

// holds evaluates a condition; nil holds always.
func (v *evaluation) holds(e *expression) (bool, *Error) {
	if e == nil {
		return true, nil
	}
	value, err := v.run(e)
	if err != nil {
		return false, err
	}
	holds, ok := value.(types.Bool)
	if !ok {
		return false, e.fail(fmt.Errorf("must be true or false, not %s", value.Type().TypeName()))
	}
	return bool(holds), nil
}

// plain takes the language's own words out of a message.
func plain(message string) string {
	return strings.ReplaceAll(message, " (in container '')", "")
}

// node is a compiled value of a manifest. A result of nil is no value: the field is
// left out.
type node interface {
	evaluate(v *evaluation) (any, *Error)
}

type constant struct{ value any }

type objectField struct {
	key  string
	node node
}

type object struct{ fields []objectField }

type list struct{ items []node }

// typed is a string that is one expression: it becomes its value.
type typed struct{ *expression }

// text is made of parts.
type text struct{ parts []part }

type part struct {
	text string
	// expression is nil for text.
	expression *expression
}

func (n constant) evaluate(v *evaluation) (any, *Error) {
	if err := v.measure(n.value); err != nil {
		return nil, &Error{Err: err}
	}
	return runtime.DeepCopyJSONValue(n.value), nil
}

func (n object) evaluate(v *evaluation) (any, *Error) {
	made := make(map[string]any, len(n.fields))
	for _, field := range n.fields {
		value, err := field.node.evaluate(v)
		if err != nil {
			return nil, err
		}
		if value != nil {
			made[field.key] = value
		}
	}
	return made, nil
}

func (n list) evaluate(v *evaluation) (any, *Error) {
	made := make([]any, 0, len(n.items))
	for _, item := range n.items {
		value, err := item.evaluate(v)
		if err != nil {
			return nil, err
		}
		if value != nil {
			made = append(made, value)
		}
	}
	return made, nil
}

func (n typed) evaluate(v *evaluation) (any, *Error) {
	value, failed := v.run(n.expression)
	if failed != nil {
		return nil, failed
	}
	made, err := v.native(value, maxDepth)
	if err != nil {
		return nil, n.fail(err)
	}
	return made, nil
}

func (n text) evaluate(v *evaluation) (any, *Error) {
	var made strings.Builder
	for _, part := range n.parts {
		if part.expression == nil {
			made.WriteString(part.text)
			continue
		}
		value, failed := v.run(part.expression)
		if failed != nil {
			return nil, failed
		}
		switch value.(type) {
		case types.String, types.Int, types.Uint, types.Bool, types.Double:
		default:
			return nil, part.expression.fail(fmt.Errorf("%s cannot be part of a text", value.Type().TypeName()))
		}
		words, ok := value.ConvertToType(types.StringType).(types.String)
		if !ok {
			return nil, part.expression.fail(fmt.Errorf("%s cannot be part of a text", value.Type().TypeName()))
		}
		if err := v.spend(len(words)); err != nil {
			return nil, part.expression.fail(err)
		}
		made.WriteString(string(words))
	}
	if err := v.spend(made.Len()); err != nil {
		return nil, &Error{Err: err}
	}
	return made.String(), nil
}

// overhead is what a value takes besides its text, in bytes of JSON.
const overhead = 4

// spend takes the size of a value from what is left for objects.
func (v *evaluation) spend(length int) error {
	size := uint64(length + overhead)
	switch {
	case !v.object.take(size):
		return fmt.Errorf("the object is larger than %d bytes", maxObject)
	case !v.size.take(size):
		return fmt.Errorf("all objects together are larger than %d bytes", maxRendering)
	default:
		return nil
	}
}

// measure spends the size of a constant.
func (v *evaluation) measure(value any) error {
	switch value := value.(type) {
	case map[string]any:
		for key, part := range value {
			if err := errors.Join(v.spend(len(key)), v.measure(part)); err != nil {
				return err
			}
		}
	case []any:
		for _, part := range value {
			if err := v.measure(part); err != nil {
				return err
			}
		}
	case string:
		return v.spend(len(value))
	}
	return v.spend(0)
}

// native turns the value of an expression into what manifests are made of.
func (v *evaluation) native(value ref.Val, depth int) (any, error) {
	if depth == 0 {
		return nil, errTooDeep
	}
	switch value := value.(type) {
	case types.Null:
		// No value: the field is left out.
		return nil, nil
	case types.Bool:
		return bool(value), v.spend(0)
	case types.Int:
		return int64(value), v.spend(0)
	case types.Uint:
		if uint64(value) > math.MaxInt64 {
			return nil, fmt.Errorf("%d is greater than any integer of Kubernetes", value)
		}
		return int64(value), v.spend(0)
	case types.Double:
		if math.IsNaN(float64(value)) || math.IsInf(float64(value), 0) {
			return nil, fmt.Errorf("%v is no number of JSON", float64(value))
		}
		return float64(value), v.spend(0)
	case types.String:
		return string(value), v.spend(len(value))
	case *types.Optional:
		if !value.HasValue() {
			return nil, nil
		}
		return v.native(value.GetValue(), depth-1)
	case traits.Mapper:
		if content, ok := value.Value().(map[string]any); ok {
			// A value that was offered as it stands, such as a pod.
			if err := v.measure(content); err != nil {
				return nil, err
			}
			return runtime.DeepCopyJSON(content), nil
		}
		return v.nativeMap(value, depth)
	case traits.Lister:
		return v.nativeList(value, depth)
	default:
		return nil, fmt.Errorf("%s has no place in a manifest: take a field of it, or convert it with string()", value.Type().TypeName())
	}
}

func (v *evaluation) nativeMap(value traits.Mapper, depth int) (any, error) {
	made := map[string]any{}
	for i := value.Iterator(); i.HasNext() == types.True; {
		key := i.Next()
		name, ok := key.(types.String)
		if !ok {
			return nil, fmt.Errorf("the keys of a map must be strings, not %s", key.Type().TypeName())
		}
		part, err := v.native(value.Get(key), depth-1)
		if err == nil {
			err = v.spend(len(name))
		}
		if err != nil {
			return nil, err
		}
		if part != nil {
			made[string(name)] = part
		}
	}
	return made, nil
}

func (v *evaluation) nativeList(value traits.Lister, depth int) (any, error) {
	made := []any{}
	for i := value.Iterator(); i.HasNext() == types.True; {
		part, err := v.native(i.Next(), depth-1)
		if err != nil {
			return nil, err
		}
		if part != nil {
			made = append(made, part)
		}
	}
	return made, v.spend(0)
}
