// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package validation_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/operation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	"oaas.io/oaas/pkg/apis/pm/install"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// rules is a scheme that knows the declared rules, made once.
var rules = sync.OnceValue(func() *runtime.Scheme {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	return scheme
})

// declared adds to what the functions of this package found what the declared rules
// of the fields find, as the server does. old is nil for a new object.
func declared(t *testing.T, resource string, obj, old runtime.Object, found field.ErrorList) field.ErrorList {
	t.Helper()
	request := genericapirequest.RequestInfo{
		IsResourceRequest: true, APIGroup: v1alpha1.GroupName, APIVersion: v1alpha1.SchemeGroupVersion.Version, Resource: resource,
	}
	kind := operation.Create
	if old != nil {
		kind = operation.Update
	}
	ctx := genericapirequest.WithRequestInfo(t.Context(), &request)
	return rest.ValidateDeclarativelyWithMigrationChecks(ctx, rules(), obj, old, found, kind, rest.DeclarativeValidationConfig{})
}

// expectErrors compares what users see of errors: which field, and what kind of
// error. Both lists are sorted; the order carries no meaning.
func expectErrors(t *testing.T, got field.ErrorList, want []string) {
	t.Helper()
	seen := make([]string, 0, len(got))
	for _, err := range got {
		seen = append(seen, string(err.Type)+" "+err.Field)
	}
	slices.Sort(seen)
	want = slices.Sorted(slices.Values(want))
	if diff := cmp.Diff(want, seen); diff != "" && len(want)+len(seen) > 0 {
		t.Errorf("errors differ (-want +got):\n%s\nin full: %v", diff, got.ToAggregate())
	}
}

const (
	required    = string(field.ErrorTypeRequired) + " "
	invalid     = string(field.ErrorTypeInvalid) + " "
	duplicate   = string(field.ErrorTypeDuplicate) + " "
	unsupported = string(field.ErrorTypeNotSupported) + " "
	tooLong     = string(field.ErrorTypeTooLong) + " "
	tooShort    = string(field.ErrorTypeTooShort) + " "
	tooMany     = string(field.ErrorTypeTooMany) + " "
)
