// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package oaasfile

import (
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/install"
	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/apis/pm/validation"
)

// The server's own rules hold for every example, and for the file that uses every
// field.
func TestExamplesPassTheServersValidation(t *testing.T) {
	files, err := filepath.Glob("../../artifacts/examples/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("examples found: %v, %v", files, err)
	}
	scheme := runtime.NewScheme()
	install.Install(scheme)
	for _, file := range append(files, "testdata/complete.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			result, err := Parse(file, data, Options{Strict: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, object := range result.Objects() {
				for _, problem := range validate(t, scheme, object) {
					t.Errorf("%T: %v", object, problem)
				}
			}
		})
	}
}

// validate does what the server does with an object that arrives.
func validate(t *testing.T, scheme *runtime.Scheme, object runtime.Object) field.ErrorList {
	t.Helper()
	if u, ok := object.(*unstructured.Unstructured); ok {
		object = typeFor(u)
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, object); err != nil {
			t.Fatal(err)
		}
	}
	scheme.Default(object)
	internal, err := scheme.ConvertToVersion(object, pm.SchemeGroupVersion)
	if err != nil {
		t.Fatal(err)
	}
	switch o := internal.(type) {
	case *pm.Package:
		o.Namespace = "default"
		return validation.ValidatePackage(o)
	case *pm.ClassDeployment:
		o.Namespace = "default"
		return validation.ValidateClassDeployment(o)
	}
	t.Fatalf("a %T is in no example; %s has two kinds that are", internal, pmv1alpha1.SchemeGroupVersion)
	return nil
}
