// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package oaasfile

import (
	"reflect"
	"strings"
	"unicode"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// enumValues are the values of an enumeration in the API's spelling; nil for any
// other type.
func enumValues(t reflect.Type) []string {
	switch t {
	case reflect.TypeFor[pmv1alpha1.ConsistencyModel]():
		return []string{
			string(pmv1alpha1.ConsistencyNone), string(pmv1alpha1.ConsistencyReadYourWrite),
			string(pmv1alpha1.ConsistencyBoundedStaleness), string(pmv1alpha1.ConsistencyStrong),
		}
	case reflect.TypeFor[pmv1alpha1.AccessModifier]():
		return []string{string(pmv1alpha1.AccessPublic), string(pmv1alpha1.AccessInternal), string(pmv1alpha1.AccessPrivate)}
	case reflect.TypeFor[pmv1alpha1.FunctionType]():
		return []string{
			string(pmv1alpha1.FunctionBuiltin), string(pmv1alpha1.FunctionCustom), string(pmv1alpha1.FunctionMacro),
			string(pmv1alpha1.FunctionLogical), string(pmv1alpha1.FunctionWasm),
		}
	case reflect.TypeFor[pmv1alpha1.DeletionPolicy]():
		return []string{string(pmv1alpha1.DeletionDelete), string(pmv1alpha1.DeletionRetain)}
	case reflect.TypeFor[pmv1alpha1.VolumeMedium]():
		return []string{string(pmv1alpha1.VolumeMediumMemory)}
	}
	return nil
}

// parseEnum finds the API's spelling of a value, whatever its case and
// separators: READ_YOUR_WRITE is ReadYourWrite.
func parseEnum(text string, values []string) (string, bool) {
	bare := strings.NewReplacer("_", "", "-", "").Replace(text)
	for _, value := range values {
		if strings.EqualFold(bare, value) {
			return value, true
		}
	}
	return "", false
}

// screaming spells values the way that the plain form does.
func screaming(values []string) []string {
	out := make([]string, 0, len(values))
	for _, value := range values {
		out = append(out, strings.ToUpper(snake(value)))
	}
	return out
}

// snake turns camelCase into snake_case.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if unicode.IsUpper(r) {
			startsWord := i > 0 && (unicode.IsLower(runes[i-1]) || unicode.IsDigit(runes[i-1]) ||
				(i+1 < len(runes) && unicode.IsLower(runes[i+1]) && runes[i-1] != '_'))
			if startsWord {
				b.WriteByte('_')
			}
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}
