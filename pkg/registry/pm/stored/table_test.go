// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package stored

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"oaas.io/oaas/pkg/apis/pm"
)

func TestObjectsOfRows(t *testing.T) {
	stored := &pm.PackageList{Items: []pm.Package{{
		ObjectMeta: metav1.ObjectMeta{
			Name: "shop", Namespace: "retail", Labels: map[string]string{"team": "retail"},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
		},
		Spec: pm.PackageSpec{Version: "1.2.0"},
	}}}
	metadata := metav1.ObjectMeta{Name: "shop", Namespace: "retail", Labels: map[string]string{"team": "retail"}}
	tests := map[string]struct {
		options runtime.Object
		want    runtime.Object
	}{
		"metadata is shown without managed fields":     {options: &metav1.TableOptions{IncludeObject: metav1.IncludeMetadata}, want: &metav1.PartialObjectMetadata{ObjectMeta: metadata}},
		"metadata is what is shown unless asked":       {options: &metav1.TableOptions{}, want: &metav1.PartialObjectMetadata{ObjectMeta: metadata}},
		"a whole object is whole":                      {options: &metav1.TableOptions{IncludeObject: metav1.IncludeObject}, want: &stored.Items[0]},
		"callers within the server get the object":     {want: &stored.Items[0]},
		"without objects nothing is done for the rows": {options: &metav1.TableOptions{IncludeObject: metav1.IncludeNone}, want: &stored.Items[0]},
	}
	convertor := NewTableConvertor([]Column[*pm.Package]{{Name: "Version", Type: "string", Cell: func(p *pm.Package) any { return p.Spec.Version }}})
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			before := stored.DeepCopy()
			table, err := convertor.ConvertToTable(t.Context(), stored, test.options)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]any{"shop", "1.2.0", "<unknown>"}, table.Rows[0].Cells); diff != "" {
				t.Errorf("cells (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, table.Rows[0].Object.Object); diff != "" {
				t.Errorf("object (-want +got):\n%s", diff)
			}
			// What is stored belongs to the watch cache.
			if diff := cmp.Diff(before, stored); diff != "" {
				t.Errorf("the list was changed (-before +after):\n%s", diff)
			}
			if _, err := meta.Accessor(table.Rows[0].Object.Object); err != nil {
				t.Errorf("the server cannot read the row's object: %v", err)
			}
		})
	}
}
