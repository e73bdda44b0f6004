// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployments

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// owned is an entry such as "author Apply scale: f:min".
func owned(manager string, operation metav1.ManagedFieldsOperationType, version, fields string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{
		Manager: manager, Operation: operation, APIVersion: version, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
	}
}

func show(entries []metav1.ManagedFieldsEntry) string {
	var lines []string
	for _, entry := range entries {
		lines = append(lines, fmt.Sprintf("%s %s %s %s", entry.Manager, entry.Operation, entry.APIVersion, entry.FieldsV1.GetRawString()))
	}
	return strings.Join(lines, "\n")
}

func TestOwnersOfTheScale(t *testing.T) {
	const (
		ours   = "pm.oaas.io/v1alpha1"
		scale  = "autoscaling/v1"
		least  = `{"f:spec":{"f:classKey":{},"f:replicas":{"f:min":{}}}}`
		both   = `{"f:spec":{"f:replicas":{"f:max":{},"f:min":{}}}}`
		number = `{"f:spec":{"f:replicas":{}}}`
		class  = `{"f:spec":{"f:classKey":{}}}`
	)
	parent := []metav1.ManagedFieldsEntry{owned("author", "Apply", ours, least), owned("other", "Update", ours, class)}

	got, err := scaleEntries(parent)
	if want := "author Apply autoscaling/v1 " + number; err != nil || show(got) != want {
		t.Errorf("the scale is owned by\n%s\n%v, want\n%s", show(got), err, want)
	}
	got, err = scaleEntries(parent[1:])
	if err != nil || len(got) != 1 || got[0].Manager != serverManager {
		t.Errorf("the scale of nobody's bounds is owned by\n%s\n%v, want what the server computes", show(got), err)
	}

	for name, test := range map[string]struct {
		scale []metav1.ManagedFieldsEntry
		want  string
	}{
		"who keeps the scale gets both bounds": {
			scale: []metav1.ManagedFieldsEntry{owned("author", "Apply", scale, number)},
			want:  "author Apply pm.oaas.io/v1alpha1 " + `{"f:spec":{"f:classKey":{},"f:replicas":{"f:max":{},"f:min":{}}}}` + "\nother Update pm.oaas.io/v1alpha1 " + class,
		},
		"who takes the scale takes both bounds": {
			scale: []metav1.ManagedFieldsEntry{owned("scaler", "Update", scale, number)},
			want:  "author Apply pm.oaas.io/v1alpha1 " + class + "\nother Update pm.oaas.io/v1alpha1 " + class + "\nscaler Update pm.oaas.io/v1alpha1 " + both,
		},
		"who owns something else of the scale gets nothing": {
			scale: []metav1.ManagedFieldsEntry{owned(serverManager, "Update", scale, `{"f:status":{"f:replicas":{}}}`)},
			want:  "author Apply pm.oaas.io/v1alpha1 " + class + "\nother Update pm.oaas.io/v1alpha1 " + class,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parentEntries(parent, test.scale)
			if err != nil || show(got) != test.want {
				t.Errorf("owners are\n%s\n%v, want\n%s", show(got), err, test.want)
			}
		})
	}
	if _, err := scaleEntries([]metav1.ManagedFieldsEntry{owned("author", "Apply", ours, "no JSON")}); err == nil {
		t.Error("managed fields that cannot be read are taken for none")
	}
}
