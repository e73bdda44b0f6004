// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/install"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// The generated conversions copy memory where the two forms of a type hold
// fields of the same types in the same order, and never look at the names. Two
// strings in another order would be swapped without a word, and a round trip
// would swap them back, so that no fuzz test could notice.
func TestFieldsOfBothFormsAreInTheSameOrder(t *testing.T) {
	scheme := runtime.NewScheme()
	install.Install(scheme)

	compared := 0
	for kind, internal := range scheme.KnownTypes(pm.SchemeGroupVersion) {
		versioned, ok := scheme.KnownTypes(v1alpha1.SchemeGroupVersion)[kind]
		if !ok || internal.PkgPath() == versioned.PkgPath() {
			continue
		}
		compared++
		compareFields(t, kind, internal, versioned, map[reflect.Type]bool{})
	}
	if compared == 0 {
		t.Fatal("no kind has an internal and a versioned form: the test compares nothing")
	}
}

// compareFields reports fields of the two types that are not the same by name,
// in order, at any depth.
func compareFields(t *testing.T, path string, internal, versioned reflect.Type, seen map[reflect.Type]bool) {
	t.Helper()
	if internal == versioned || seen[internal] {
		return
	}
	seen[internal] = true
	if internal.Kind() != versioned.Kind() {
		t.Errorf("%s is a %s in pm and a %s in v1alpha1", path, internal.Kind(), versioned.Kind())
		return
	}
	switch internal.Kind() {
	case reflect.Pointer, reflect.Slice:
		compareFields(t, path+"[]", internal.Elem(), versioned.Elem(), seen)
	case reflect.Map:
		compareFields(t, path+"{}", internal.Elem(), versioned.Elem(), seen)
	case reflect.Struct:
		for i := range max(internal.NumField(), versioned.NumField()) {
			a, b := fieldAt(internal, i), fieldAt(versioned, i)
			if a.Name != b.Name {
				t.Errorf("field %d of %s is %q in pm and %q in v1alpha1: put the fields in the same order",
					i, path, a.Name, b.Name)
				return
			}
			compareFields(t, path+"."+a.Name, a.Type, b.Type, seen)
		}
	default:
	}
}

// fieldAt returns field i of the struct, or one without a name past its end.
func fieldAt(structure reflect.Type, i int) reflect.StructField {
	if i >= structure.NumField() {
		return reflect.StructField{}
	}
	return structure.Field(i)
}
