// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package validation_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

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
	tooMany     = string(field.ErrorTypeTooMany) + " "
)
