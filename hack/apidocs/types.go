// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// types are the types of a package by name.
type types map[string]*typeInfo

type typeInfo struct {
	doc    string
	fields []field
	// values of an enumeration.
	values []string
}

type field struct {
	// name in JSON.
	name string
	// typeName for people; elem is the Go type that the field is, or holds.
	typeName, elem string
	doc            string
	rules          []string
	inline         bool
}

// load reads the types of a package, without what is generated.
func load(dir string) (types, error) {
	found := types{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	constants := map[string][]string{}
	for _, path := range files {
		name := filepath.Base(path)
		if strings.HasPrefix(name, "zz_generated") || strings.HasPrefix(name, "generated") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, source, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		for _, declaration := range file.Decls {
			if general, ok := declaration.(*ast.GenDecl); ok {
				found.add(general, constants)
			}
		}
	}
	for name, values := range constants {
		if found[name] != nil {
			found[name].values = values
		}
	}
	return found, nil
}

func (t types) add(declaration *ast.GenDecl, constants map[string][]string) {
	for _, spec := range declaration.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			doc := spec.Doc
			if doc == nil {
				doc = declaration.Doc
			}
			text, _ := split(doc)
			info := &typeInfo{doc: text}
			if structure, ok := spec.Type.(*ast.StructType); ok {
				info.fields = fieldsOf(structure)
			}
			t[spec.Name.Name] = info
		case *ast.ValueSpec:
			kind, typed := spec.Type.(*ast.Ident)
			if !typed || len(spec.Values) != 1 {
				continue
			}
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if value, err := strconv.Unquote(literal.Value); err == nil {
					constants[kind.Name] = append(constants[kind.Name], value)
				}
			}
		}
	}
}

// roots are the kinds: the types that have metadata and are no lists.
func (t types) roots() []string {
	var roots []string
	for name, info := range t {
		if t[name+"List"] != nil && slices.ContainsFunc(info.fields, func(f field) bool { return f.name == "metadata" }) {
			roots = append(roots, name)
		}
	}
	slices.Sort(roots)
	return roots
}

func fieldsOf(structure *ast.StructType) []field {
	var fields []field
	for _, declared := range structure.Fields.List {
		f := field{}
		f.typeName, f.elem = describeType(declared.Type)
		var markers []string
		f.doc, markers = split(declared.Doc)
		options := ""
		if declared.Tag != nil {
			tag, _ := strconv.Unquote(declared.Tag.Value)
			f.name, options, _ = strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		}
		f.inline = len(declared.Names) == 0 && f.name == ""
		f.rules = rules(markers, strings.Contains(options, "omit"))
		if f.name != "metadata" {
			fields = append(fields, f)
		} else {
			fields = append(fields, field{name: "metadata", typeName: "ObjectMeta", doc: f.doc})
		}
	}
	return fields
}

// describeType returns the type for people and the name of the element's Go type.
func describeType(expression ast.Expr) (typeName, elem string) {
	switch expression := expression.(type) {
	case *ast.StarExpr:
		return describeType(expression.X)
	case *ast.ArrayType:
		if ident, ok := expression.Elt.(*ast.Ident); ok && ident.Name == "byte" {
			return "bytes (base64)", ""
		}
		typeName, elem = describeType(expression.Elt)
		return "list of " + typeName, elem
	case *ast.MapType:
		typeName, elem = describeType(expression.Value)
		return "map of " + typeName, elem
	case *ast.SelectorExpr:
		return expression.Sel.Name, expression.Sel.Name
	case *ast.Ident:
		switch expression.Name {
		case "int32", "int64":
			return "integer", ""
		case "bool":
			return "boolean", ""
		}
		return expression.Name, expression.Name
	default:
		return fmt.Sprintf("%T", expression), ""
	}
}

// split parts a comment into its text and its markers.
func split(group *ast.CommentGroup) (text string, markers []string) {
	if group == nil {
		return "", nil
	}
	var lines []string
	for _, comment := range group.List {
		line := strings.TrimSpace(strings.TrimPrefix(comment.Text, "//"))
		if marker, ok := strings.CutPrefix(line, "+"); ok {
			markers = append(markers, marker)
			continue
		}
		lines = append(lines, line)
	}
	return strings.TrimSpace(strings.Join(lines, "\n")), markers
}

// rules are what markers ask of a value, in words.
func rules(markers []string, mayBeAbsent bool) []string {
	var said []string
	add := func(format string, args ...any) {
		if rule := fmt.Sprintf(format, args...); !slices.Contains(said, rule) {
			said = append(said, rule)
		}
	}
	for _, marker := range markers {
		name, value, _ := strings.Cut(marker, "=")
		of := ""
		if inner, ok := strings.CutPrefix(marker, "k8s:eachVal=+"); ok {
			name, value, _ = strings.Cut(inner, "=")
			of = "each "
		} else if inner, ok := strings.CutPrefix(marker, "k8s:eachKey=+"); ok {
			name, value, _ = strings.Cut(inner, "=")
			of = "each key "
		}
		name = strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(name, "k8s:"), "kubebuilder:validation:"))
		switch name {
		case "required":
			if !mayBeAbsent || slices.Contains(markers, "k8s:required") {
				add("required")
			}
		case "default", "kubebuilder:default":
			add("default %s", strings.Trim(value, `"`))
		case "immutable":
			add("cannot be changed")
		case "maxlength":
			add("%sat most %s characters", of, value)
		case "maxbytes":
			add("%sat most %s bytes", of, value)
		case "minlength":
			add("%sat least %s characters", of, value)
		case "maxitems":
			add("at most %s items", value)
		case "minimum":
			add("%sat least %s", of, value)
		case "maximum":
			add("%sat most %s", of, value)
		case "format":
			add("%s%s", of, formatName(value))
		case "listtype":
			if value == "set" {
				add("no value twice")
			}
		case "listmapkey":
			add("unique by %s", value)
		}
	}
	return said
}

func formatName(format string) string {
	switch strings.Trim(format, `"`) {
	case "k8s-short-name":
		return "a DNS label"
	case "k8s-long-name":
		return "a DNS subdomain"
	default:
		return format
	}
}
