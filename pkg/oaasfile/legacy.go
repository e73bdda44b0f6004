// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package oaasfile

import (
	"fmt"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// legacyField says what became of a field of the older camelCase form.
type legacyField struct {
	// advice is what to write instead.
	advice string
	// replaces names the present field at the same place; with it set, the old one
	// only counts when the present one is absent. This keeps a stray `name` beside
	// `key` an unknown field.
	replaces string
	// inner are the old fields under this one.
	inner legacyFields
}

type legacyFields map[string]legacyField

const noInheritance = "remove it: classes do not inherit, list the methods of the parents in function_bindings"

// legacyForm are the fields that only the older form has, beside those that are
// the camelCase spelling of a present one.
func legacyForm() legacyFields {
	runtime := legacyFields{
		"image":             {advice: "write provision_config.container_image"},
		"port":              {advice: "write provision_config.port"},
		"requestsCpu":       {advice: "write provision_config.cpu_request"},
		"requestsMemory":    {advice: "write provision_config.memory_request"},
		"limitsCpu":         {advice: "write provision_config.cpu_limit"},
		"limitsMemory":      {advice: "write provision_config.memory_limit"},
		"minScale":          {advice: "write provision_config.min_scale"},
		"maxScale":          {advice: "write provision_config.max_scale"},
		"concurrency":       {advice: "write provision_config.max_concurrency"},
		"targetConcurrency": {advice: "write provision_config.max_concurrency"},
	}
	return legacyFields{
		"functions": {inner: legacyFields{
			"name": {advice: "write key", replaces: "key"},
			"type": {advice: "write function_type: CUSTOM for a container (TASK before), else BUILTIN, MACRO, LOGICAL or WASM", replaces: "function_type"},
			"provision": {advice: "write provision_config", inner: legacyFields{
				"knative":    {advice: "remove this level: the environment's template decides how the container runs", inner: runtime},
				"deployment": {advice: "remove this level: the environment's template decides how the container runs", inner: runtime},
			}},
		}},
		"classes": {inner: legacyFields{
			"name":       {advice: "write key", replaces: "key"},
			"parents":    {advice: noInheritance},
			"stateType":  {advice: "remove it: describe the state in state_spec"},
			"objectType": {advice: "remove it: every class is of one kind"},
			"stateSpec": {advice: "write state_spec", inner: legacyFields{
				"keySpecs":        {advice: "write key_specs with name and key_type"},
				"defaultProvider": {advice: "write default_provider"},
			}},
			"functions": {advice: "write function_bindings", inner: legacyFields{
				"function":    {advice: "write function_key, the function's key without a leading dot"},
				"access":      {advice: "write access_modifier"},
				"outputCls":   {advice: "remove it"},
				"noMain":      {advice: "remove it"},
				"immutable":   {advice: "remove it"},
				"defaultArgs": {advice: "remove it: pass settings in the function's config"},
			}},
		}},
		"deployments": {inner: legacyFields{
			"partitionCount": {advice: "write odgm.partition_count"},
			"replicaCount":   {advice: "write odgm.replica_count"},
			"shardType":      {advice: "write odgm.shard_type"},
		}},
	}
}

// legacyProblems lists every field that is written in the older form; none for a
// document in the present one.
func legacyProblems(file string, root *yaml.Node) []Problem {
	w := legacyWalker{file: file}
	w.walk(root, reflect.TypeFor[packageDoc](), legacyForm(), place{line: root.Line})
	return w.problems
}

type legacyWalker struct {
	file     string
	problems []Problem
}

func (w *legacyWalker) report(at place, advice string) {
	w.problems = append(w.problems, Problem{File: w.file, Line: at.line, Field: at.path, Message: advice})
}

// walk follows the document along the present schema and the old fields. The
// schema is nil under a field that only the older form has.
func (w *legacyWalker) walk(n *yaml.Node, schema reflect.Type, old legacyFields, at place) {
	n = resolve(n)
	if n.Kind == yaml.SequenceNode {
		for i, item := range n.Content {
			w.walk(item, schema, old, place{path: fmt.Sprintf("%s[%d]", at.path, i), line: item.Line})
		}
		return
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	present := map[string]reflect.Type{}
	if schema != nil {
		for _, f := range fieldsOf(schema) {
			present[f.name] = structOf(schema.Field(f.index).Type)
		}
	}
	for _, e := range entries(n) {
		where := place{path: at.field(e.name), line: e.line}
		inner, known := present[e.name]
		rule, isOld := old[e.name]
		if isOld && rule.replaces != "" {
			_, replaced := find(n, rule.replaces)
			isOld = !replaced
		}
		_, respelled := present[snake(e.name)]
		switch {
		case isOld && rule.advice != "":
			w.report(where, rule.advice)
		case !known && respelled && schema != nil:
			w.report(where, "write "+snake(e.name))
		}
		if inner != nil || rule.inner != nil {
			w.walk(e.value, inner, rule.inner, where)
		}
	}
}

// structOf is the struct under pointers and lists; nil when there is none.
func structOf(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || fieldsOf(t)[0].name == "" {
		return nil
	}
	return t
}
