// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package template

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// manifest is a compiled manifest.
type manifest struct {
	spec v1alpha1.TemplateManifest
	kind schema.GroupVersionKind
	// forEach and includeWhen are nil where the manifest has none.
	forEach, includeWhen *expression
	content              node
}

// compiler compiles one template.
type compiler struct {
	template    string
	language    *language
	expressions int
	// size is that of the manifests so far, in bytes.
	size     int
	problems field.ErrorList
}

// maxProblems is the number of errors that are told at once.
const maxProblems = 32

// Compile checks a template and prepares it for rendering. The template must not
// change afterwards. Errors name the field of the template and, where an expression
// is at fault, the line and column in that field.
func Compile(name string, spec *v1alpha1.DeploymentTemplateSpec) (*Template, field.ErrorList) {
	language, err := theLanguage()
	if err != nil {
		return nil, field.ErrorList{field.InternalError(field.NewPath("spec"), err)}
	}
	c := &compiler{template: name, language: language}
	compiled := &Template{Name: name, Hash: Hash(spec), Spec: spec}
	path := field.NewPath("spec")
	if when := spec.SelectionCriteria.When; when != "" {
		compiled.when = c.condition(language.criteria, when, "", "selectionCriteria.when", path.Child("selectionCriteria", "when"))
	}
	c.sizes(spec.ResourceRequirements, path.Child("resourceRequirements"))
	if len(spec.Manifests) == 0 {
		c.report(field.Required(path.Child("manifests"), "a template makes at least one object"))
	}
	for i := range spec.Manifests {
		compiled.manifests = append(compiled.manifests, c.manifest(&spec.Manifests[i], path.Child("manifests").Index(i)))
	}
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return compiled, nil
}

func (c *compiler) report(problem *field.Error) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, problem)
	}
}

func (c *compiler) invalid(path *field.Path, value, format string, args ...any) {
	c.report(field.Invalid(path, short(value), fmt.Sprintf(format, args...)))
}

func (c *compiler) manifest(spec *v1alpha1.TemplateManifest, path *field.Path) manifest {
	m := manifest{spec: *spec}
	env := c.language.manifests
	if spec.ForEach != "" {
		if m.forEach = c.expression(env, spec.ForEach, spec.Name, "forEach", path.Child("forEach")); m.forEach != nil {
			env = c.itemOf(env, m.forEach, path.Child("forEach"))
		}
		if m.forEach == nil || env == nil {
			// Whatever uses item would only repeat the error.
			return m
		}
	}
	if spec.IncludeWhen != "" {
		m.includeWhen = c.condition(env, spec.IncludeWhen, spec.Name, "includeWhen", path.Child("includeWhen"))
	}
	path = path.Child("manifest")
	if c.size += len(spec.Manifest.Raw); c.size > maxManifests {
		tooLong := field.TooLong(path, "", maxManifests)
		tooLong.Detail += " with the manifests before it"
		c.report(tooLong)
		return m
	}
	content := map[string]any{}
	if err := json.Unmarshal(spec.Manifest.Raw, &content); err != nil {
		c.invalid(path, "", "must be an object: %v", err)
		return m
	}
	m.kind = c.header(content, path)
	w := walker{compiler: c, env: env, manifest: spec.Name}
	m.content = w.node(content, "", path, maxDepth)
	return m
}

// itemOf declares item, with the type of what the list holds.
func (c *compiler) itemOf(env *cel.Env, list *expression, path *field.Path) *cel.Env {
	element := cel.DynType
	switch {
	case list.out.Kind() == types.ListKind && len(list.out.Parameters()) == 1:
		element = list.out.Parameters()[0]
	case list.out.Kind() == types.DynKind:
	default:
		c.invalid(path, list.source, "must be a list, not %s", cel.FormatCELType(list.out))
		return nil
	}
	env, err := withItem(env, element)
	if err != nil {
		c.report(field.InternalError(path, err))
		return nil
	}
	return env
}

// condition compiles an expression that is true or false.
func (c *compiler) condition(env *cel.Env, source, manifest, name string, path *field.Path) *expression {
	compiled := c.expression(env, source, manifest, name, path)
	if compiled == nil {
		return nil
	}
	if kind := compiled.out.Kind(); kind != types.BoolKind && kind != types.DynKind {
		c.invalid(path, source, "must be true or false, not %s", cel.FormatCELType(compiled.out))
		return nil
	}
	return compiled
}

// expression compiles a field that is an expression as a whole.
func (c *compiler) expression(env *cel.Env, source, manifest, name string, path *field.Path) *expression {
	if strings.Contains(source, open) {
		c.invalid(path, source, "is an expression by itself: write it without ${ and }")
		return nil
	}
	compiled, err := c.compile(env, source, position{1, 1}, Error{Template: c.template, Manifest: manifest, Field: name})
	if err != nil {
		c.invalid(path, source, "line %d, column %d: %v", err.Line, err.Column, err.Err)
		return nil
	}
	return compiled
}

// compile type-checks one expression. Where says of what it is part.
func (c *compiler) compile(env *cel.Env, source string, at position, where Error) (*expression, *Error) {
	where.Expression, where.Line, where.Column = strings.TrimSpace(source), at.line, at.column
	if c.expressions++; c.expressions > maxExpressions {
		where.Err = fmt.Errorf("the template has more than %d expressions", maxExpressions)
		return nil, &where
	}
	checked, issues := env.Compile(source)
	if found := issues.Errors(); len(found) > 0 {
		where.locate(at, found[0].Location)
		where.Err = errors.New(plain(found[0].Message))
		return nil, &where
	}
	program, err := env.Program(checked,
		cel.EvalOptions(cel.OptTrackCost),
		cel.CostTracking(cost{}),
		cel.CostLimit(maxEvaluation),
		cel.CustomDecoratorV2(c.language.guards),
	)
	if err != nil {
		where.Err = err
		return nil, &where
	}
	return &expression{source: source, at: at, where: where, ast: checked, program: program, out: checked.OutputType()}, nil
}

// walker compiles the fields of one manifest.
type walker struct {
	*compiler
	env      *cel.Env
	manifest string
}

// node compiles a value. Name is its path inside the manifest.
func (w *walker) node(value any, name string, path *field.Path, depth int) node {
	if depth == 0 {
		w.invalid(path, "", "nests deeper than %d levels", maxDepth)
		return constant{}
	}
	switch value := value.(type) {
	case map[string]any:
		return w.object(value, name, path, depth)
	case []any:
		return w.list(value, name, path, depth)
	case string:
		return w.text(value, name, path)
	default:
		return constant{value}
	}
}

func (w *walker) object(value map[string]any, name string, path *field.Path, depth int) node {
	object, fixed := object{}, make(map[string]any, len(value))
	// Errors come in the same order each time.
	for _, key := range slices.Sorted(maps.Keys(value)) {
		child := path.Child(key)
		if strings.Contains(key, open) {
			w.invalid(child, key, "a key cannot hold an expression: make the whole map with one")
			continue
		}
		below := join(name, key)
		made := w.node(value[key], below, child, depth-1)
		if made, ok := made.(constant); ok {
			fixed[key] = made.value
		}
		object.fields = append(object.fields, objectField{key: key, node: made})
	}
	if len(fixed) == len(object.fields) {
		return constant{fixed}
	}
	return object
}

func (w *walker) list(value []any, name string, path *field.Path, depth int) node {
	list, fixed := list{}, make([]any, 0, len(value))
	for i, item := range value {
		made := w.node(item, fmt.Sprintf("%s[%d]", name, i), path.Index(i), depth-1)
		if made, ok := made.(constant); ok {
			fixed = append(fixed, made.value)
		}
		list.items = append(list.items, made)
	}
	if len(fixed) == len(list.items) {
		return constant{fixed}
	}
	return list
}

func (w *walker) text(value, name string, path *field.Path) node {
	if !strings.Contains(value, open) {
		return constant{value}
	}
	pieces, problem := scan(value)
	if problem != nil {
		w.invalid(path, value, "line %d, column %d: %v", problem.at.line, problem.at.column, problem.err)
		return constant{}
	}
	if len(pieces) == 1 && !pieces[0].expression {
		return constant{pieces[0].text}
	}
	where := Error{Template: w.template, Manifest: w.manifest, Field: name}
	whole := len(pieces) == 1
	text := text{}
	for _, piece := range pieces {
		if !piece.expression {
			text.parts = append(text.parts, part{text: piece.text})
			continue
		}
		compiled, err := w.compile(w.env, piece.text, piece.at, where)
		if err == nil {
			err = compiled.usable(whole)
		}
		if err != nil {
			w.invalid(path, value, "line %d, column %d: expression %q: %v", err.Line, err.Column, short(err.Expression), err.Err)
			return constant{}
		}
		if whole {
			return typed{compiled}
		}
		text.parts = append(text.parts, part{expression: compiled})
	}
	return text
}

// usable says why the type of an expression cannot stand where it is.
func (e *expression) usable(whole bool) *Error {
	out := e.out
	for out.Kind() == types.OpaqueKind && out.TypeName() == types.OptionalType.TypeName() {
		if !whole {
			return e.fail(fmt.Errorf("%s cannot be part of a text: use orValue", cel.FormatCELType(out)))
		}
		out = out.Parameters()[0]
	}
	switch out.Kind() {
	case types.StringKind, types.IntKind, types.UintKind, types.BoolKind, types.DoubleKind, types.DynKind:
		return nil
	case types.ListKind, types.MapKind:
		if !whole {
			return e.fail(fmt.Errorf("%s cannot be part of a text: let the expression be the whole string", cel.FormatCELType(out)))
		}
		for i, of := range out.Parameters() {
			if out.Kind() == types.MapKind && i == 0 && of.Kind() != types.StringKind && of.Kind() != types.DynKind {
				return e.fail(fmt.Errorf("the keys of a map must be strings, not %s", cel.FormatCELType(of)))
			}
			inner := *e
			inner.out = of
			if err := inner.usable(true); err != nil {
				return err
			}
		}
		return nil
	case types.NullTypeKind, types.TypeParamKind:
		if whole {
			return nil
		}
	default:
	}
	return e.fail(fmt.Errorf("%s has no place in a manifest: take a field of it, or convert it with string()", cel.FormatCELType(out)))
}

func join(path, key string) string {
	if strings.ContainsAny(key, "./") {
		return fmt.Sprintf("%s[%s]", path, key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
