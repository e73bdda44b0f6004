// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package oaasfile

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"

	"oaas.io/oaas/pkg/apis/quantity"
)

// place is where a decoded value came from: enough to speak of it to the user.
type place struct {
	path string
	line int
}

func (p place) field(name string) string {
	if p.path == "" {
		return name
	}
	return p.path + "." + name
}

// decoder fills the schema's types from YAML nodes and collects problems
// instead of stopping at the first.
type decoder struct {
	file     string
	problems []Problem
	// refused are the places of the problems: one at each is enough.
	refused  map[place]struct{}
	warnings []Problem
	// unknown are fields that the schema does not have.
	unknown []Problem
	// lines tells the line of every field that the document has, by path.
	lines map[string]int
}

func newDecoder(file string) *decoder {
	return &decoder{file: file, lines: map[string]int{}, refused: map[place]struct{}{}}
}

// refuse notes a problem; the first one of a field is the one that tells most.
func (d *decoder) refuse(p place, format string, args ...any) {
	if _, known := d.refused[p]; known {
		return
	}
	d.refused[p] = struct{}{}
	d.problems = append(d.problems, Problem{File: d.file, Line: p.line, Field: p.path, Message: fmt.Sprintf(format, args...)})
}

func (d *decoder) warn(p place, format string, args ...any) {
	d.warnings = append(d.warnings, Problem{File: d.file, Line: p.line, Field: p.path, Message: fmt.Sprintf(format, args...)})
}

// at is the place of a field that the document has; fields that it leaves out
// are placed at the nearest parent.
func (d *decoder) at(path string) place {
	for parent := path; parent != ""; {
		if line, ok := d.lines[parent]; ok {
			return place{path: path, line: line}
		}
		cut := strings.LastIndexAny(parent, ".[")
		if cut < 0 {
			break
		}
		parent = parent[:cut]
	}
	return place{path: path, line: d.lines[""]}
}

// schemaField is one field of a schema type.
type schemaField struct {
	name     string
	index    int
	required bool
	unique   bool
}

func fieldsOf(t reflect.Type) []schemaField {
	fields := make([]schemaField, 0, t.NumField())
	for i := range t.NumField() {
		name, option, _ := strings.Cut(t.Field(i).Tag.Get("oaas"), ",")
		fields = append(fields, schemaField{name: name, index: i, required: option == "required", unique: option == "unique"})
	}
	return fields
}

// decode fills value, which must be settable, from the node.
func (d *decoder) decode(n *yaml.Node, value reflect.Value, at place) {
	d.lines[at.path] = at.line
	n = resolve(n)
	if isNull(n) {
		return
	}
	switch value.Type() {
	case reflect.TypeFor[resource.Quantity]():
		d.decodeQuantity(n, value, at)
		return
	case reflect.TypeFor[fraction]():
		d.decodeFraction(n, value, at)
		return
	case reflect.TypeFor[percent]():
		d.decodePercent(n, value, at)
		return
	}
	switch value.Kind() {
	case reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		d.decode(n, value.Elem(), at)
	case reflect.Struct:
		d.decodeStruct(n, value, at)
	case reflect.Slice:
		d.decodeSlice(n, value, at)
	case reflect.Map:
		d.decodeMap(n, value, at)
	case reflect.String:
		d.decodeString(n, value, at)
	case reflect.Bool:
		d.decodeBool(n, value, at)
	case reflect.Int32, reflect.Int64:
		d.decodeInt(n, value, at)
	default:
		panic(fmt.Sprintf("schema field %s has the unsupported type %s", at.path, value.Type()))
	}
}

func (d *decoder) decodeStruct(n *yaml.Node, value reflect.Value, at place) {
	if n.Kind != yaml.MappingNode {
		d.refuse(at, "%s where fields are expected: %s", describe(n), strings.Join(fieldNames(value.Type()), ", "))
		return
	}
	fields := fieldsOf(value.Type())
	byName := make(map[string]schemaField, len(fields))
	for _, f := range fields {
		byName[f.name] = f
	}
	present := map[string]bool{}
	for _, e := range entries(n) {
		where := place{path: at.field(e.name), line: e.line}
		f, known := byName[e.name]
		if !known {
			d.unknown = append(d.unknown, Problem{File: d.file, Line: e.line, Field: where.path, Message: unknownMessage(e.name, fieldNames(value.Type()))})
			continue
		}
		if !isNull(e.value) {
			present[e.name] = true
		}
		d.decode(e.value, value.Field(f.index), where)
		if f.unique {
			d.checkUnique(value.Field(f.index), where)
		}
	}
	for _, f := range fields {
		if f.required && !present[f.name] {
			d.refuse(place{path: at.field(f.name), line: at.line}, "missing: it is required")
		}
	}
}

func (d *decoder) decodeSlice(n *yaml.Node, value reflect.Value, at place) {
	if n.Kind != yaml.SequenceNode {
		d.refuse(at, "%s where a list is expected", describe(n))
		return
	}
	value.Set(reflect.MakeSlice(value.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		where := place{path: fmt.Sprintf("%s[%d]", at.path, i), line: item.Line}
		if isNull(item) {
			d.refuse(where, "empty: remove the item or fill it")
			continue
		}
		d.decode(item, value.Index(i), where)
	}
}

// checkUnique refuses items of a list that stand for the same thing twice. The
// server could not merge them and would say so without a line.
func (d *decoder) checkUnique(list reflect.Value, at place) {
	first := map[string]int{}
	for i := range list.Len() {
		item, path := list.Index(i), fmt.Sprintf("%s[%d]", at.path, i)
		if item.Kind() == reflect.Struct {
			path += "." + fieldsOf(item.Type())[0].name
			item = item.Field(0)
		}
		name := item.String()
		where := d.at(path)
		if line, again := first[name]; again && name != "" {
			d.refuse(where, "%q already stands on line %d: rename or remove one of them", name, line)
			continue
		}
		first[name] = where.line
	}
}

func (d *decoder) decodeMap(n *yaml.Node, value reflect.Value, at place) {
	if n.Kind != yaml.MappingNode {
		d.refuse(at, "%s where names with values are expected", describe(n))
		return
	}
	value.Set(reflect.MakeMap(value.Type()))
	for _, e := range entries(n) {
		item := reflect.New(value.Type().Elem()).Elem()
		d.decode(e.value, item, place{path: fmt.Sprintf("%s[%s]", at.path, e.name), line: e.line})
		value.SetMapIndex(reflect.ValueOf(e.name), item)
	}
}

// decodeString keeps the source text: the YAML types of bare scalars are an
// accident of how a version or a port looks.
func (d *decoder) decodeString(n *yaml.Node, value reflect.Value, at place) {
	if n.Kind != yaml.ScalarNode {
		d.refuse(at, "%s where a single value is expected", describe(n))
		return
	}
	if values := enumValues(value.Type()); values != nil {
		canonical, ok := parseEnum(n.Value, values)
		if !ok {
			d.refuse(at, "%q is not one of %s", n.Value, strings.Join(screaming(values), ", "))
			return
		}
		value.SetString(canonical)
		return
	}
	value.SetString(n.Value)
}

func (d *decoder) decodeBool(n *yaml.Node, value reflect.Value, at place) {
	if n.Kind == yaml.ScalarNode && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 {
		switch strings.ToLower(n.Value) {
		case "true", "yes", "on":
			value.SetBool(true)
			return
		case "false", "no", "off":
			return
		}
	}
	d.refuse(at, "%s where true or false is expected", describe(n))
}

func (d *decoder) decodeInt(n *yaml.Node, value reflect.Value, at place) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" {
		d.refuse(at, "%s where an integer is expected%s", describe(n), quotesHint(n))
		return
	}
	// The parser's own value would go through 64-bit floats beyond 2^53.
	i, err := strconv.ParseInt(n.Value, 0, value.Type().Bits())
	if err != nil {
		d.refuse(at, "%s does not fit: the greatest value is %d", n.Value, uint64(1)<<(value.Type().Bits()-1)-1)
		return
	}
	value.SetInt(i)
}

func (d *decoder) decodeQuantity(n *yaml.Node, value reflect.Value, at place) {
	if n.Kind != yaml.ScalarNode {
		d.refuse(at, "%s where a quantity is expected, such as 500m or 256Mi", describe(n))
		return
	}
	q, err := quantity.Parse(n.Value)
	if err != nil {
		d.refuse(at, "%q is not a quantity: write it like 500m, 2, 256Mi or 1Gi", n.Value)
		return
	}
	value.Set(reflect.ValueOf(q))
}

func (d *decoder) decodeFraction(n *yaml.Node, value reflect.Value, at place) {
	number, ok := parseDecimal(n)
	if !ok {
		d.refuse(at, "%s where a decimal between 0 and 1 is expected, such as 0.999", describe(n))
		return
	}
	if number < 0 || number > 1 {
		d.refuse(at, "%s is not between 0 and 1: a share of 99.9 %% is written 0.999", n.Value)
		return
	}
	value.SetString(n.Value)
}

func (d *decoder) decodePercent(n *yaml.Node, value reflect.Value, at place) {
	number, ok := parseDecimal(n)
	if !ok || number <= 0 || number > 100 {
		d.refuse(at, "%s where a percentage is expected: 1 to 100, or a fraction up to 1 such as 0.7", describe(n))
		return
	}
	if number <= 1 {
		number *= 100
	}
	value.SetInt(max(1, int64(number+0.5)))
}

// parseDecimal reads a number in plain decimal notation, the only one that the
// API takes for numbers that it stores as text.
func parseDecimal(n *yaml.Node) (float64, bool) {
	if n.Kind != yaml.ScalarNode || strings.Trim(n.Value, "0123456789.") != "" {
		return 0, false
	}
	number, err := strconv.ParseFloat(n.Value, 64)
	return number, err == nil
}

func quotesHint(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		if _, err := strconv.ParseInt(n.Value, 0, 64); err == nil {
			return ": remove the quotes"
		}
	}
	return ""
}

// describe names what stands at a place, for messages.
func describe(n *yaml.Node) string {
	if n.Kind == yaml.MappingNode {
		return "a mapping stands"
	}
	if n.Kind == yaml.SequenceNode {
		return "a list stands"
	}
	const longest = 60
	text := []rune(n.Value)
	if len(text) > longest {
		text = append(text[:longest], '…')
	}
	return fmt.Sprintf("%q stands", string(text))
}

func fieldNames(t reflect.Type) []string {
	names := make([]string, 0, t.NumField())
	for _, f := range fieldsOf(t) {
		names = append(names, f.name)
	}
	return names
}
