// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package template

import (
	"fmt"
	"reflect"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
	"github.com/google/cel-go/interpreter"
)

// Names of the variables.
const (
	variableRecord      = "record"
	variableFunctions   = "functions"
	variableEnvironment = "environment"
	variableODGM        = "odgm"
	variableNames       = "names"
	variableAnalysis    = "analysis"
	variableFeatures    = "features"
	variableItem        = "item"
)

// language is what expressions are written in. It does not change after it was
// made.
type language struct {
	// manifests is for the expressions of manifests.
	manifests *cel.Env
	// criteria is for selectionCriteria.when.
	criteria *cel.Env
	// guards bound the work of single calls.
	guards interpreter.InterpretableDecoratorV2
}

// theLanguage is made once, since it takes some milliseconds.
var theLanguage = sync.OnceValues(newLanguage)

func newLanguage() (*language, error) {
	base, err := cel.NewEnv(
		cel.OptionalTypes(),
		// Its macros copy what they are called on, which doubles an expression with
		// each of a chain.
		cel.ClearMacros(),
		cel.Macros(cel.StandardMacros...),
		ext.Strings(),
		ext.Lists(ext.ListsMaxRangeSize(maxRange)),
		ext.Sets(),
		ext.Math(),
		ext.Encoders(),
		cel.CrossTypeNumericComparisons(true),
		cel.EagerlyValidateDeclarations(true),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(maxDepth),
		library(),
		// Last, since no type can be declared after it.
		ext.NativeTypes(
			reflect.TypeFor[Record](), reflect.TypeFor[Function](), reflect.TypeFor[Request](), reflect.TypeFor[Environment](),
			reflect.TypeFor[ODGM](), reflect.TypeFor[Names](), reflect.TypeFor[Analysis](), reflect.TypeFor[Features](),
			ext.ParseStructTag("json"),
		),
		cel.Variable(variableRecord, cel.ObjectType(typeName[Record]())),
	)
	if err != nil {
		return nil, fmt.Errorf("set up expressions: %w", err)
	}
	manifests, err := base.Extend(
		cel.Variable(variableFunctions, cel.ListType(cel.ObjectType(typeName[Function]()))),
		cel.Variable(variableEnvironment, cel.ObjectType(typeName[Environment]())),
		cel.Variable(variableODGM, cel.ObjectType(typeName[ODGM]())),
		cel.Variable(variableNames, cel.ObjectType(typeName[Names]())),
		cel.Variable(variableAnalysis, cel.ObjectType(typeName[Analysis]())),
		cel.Variable(variableFeatures, cel.ObjectType(typeName[Features]())),
	)
	if err != nil {
		return nil, fmt.Errorf("set up expressions of manifests: %w", err)
	}
	criteria, err := base.Extend(cel.Variable(variableFunctions, cel.ListType(cel.ObjectType(typeName[Request]()))))
	if err != nil {
		return nil, fmt.Errorf("set up expressions of criteria: %w", err)
	}
	guards, err := guards(base)
	if err != nil {
		return nil, fmt.Errorf("bound the work of expressions: %w", err)
	}
	return &language{manifests: manifests, criteria: criteria, guards: guards}, nil
}

// typeName is what expressions call a type of this package.
func typeName[T any]() string { return reflect.TypeFor[T]().String() }

// withItem adds the variable of a forEach.
func withItem(env *cel.Env, of *cel.Type) (*cel.Env, error) {
	extended, err := env.Extend(cel.Variable(variableItem, of))
	if err != nil {
		return nil, fmt.Errorf("declare %s: %w", variableItem, err)
	}
	return extended, nil
}

// variables of an evaluation, without item.
func (in *Input) variables() map[string]any {
	return map[string]any{
		variableRecord:      in.Record,
		variableFunctions:   in.Functions,
		variableEnvironment: in.Environment,
		variableODGM:        in.ODGM,
		variableNames:       in.Names,
		variableAnalysis:    in.Analysis,
		variableFeatures:    in.Features,
	}
}
