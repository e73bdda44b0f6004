// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package applyset

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kubectl/pkg/cmd/apply"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

func TestKubectlKnowsTheSet(t *testing.T) {
	if LabelID != apply.ApplySetParentIDLabel || LabelPartOf != apply.ApplysetPartOfLabel ||
		AnnotationTooling != apply.ApplySetToolingAnnotation || AnnotationKinds != apply.ApplySetGKsAnnotation {
		t.Error("names differ from kubectl's")
	}
	record := &metav1.ObjectMeta{Name: "echo-1", Namespace: "team-a"}
	theirs := apply.NewApplySet(&apply.ApplySetParentRef{
		Name: record.Name, Namespace: record.Namespace,
		RESTMapping: &meta.RESTMapping{GroupVersionKind: v1alpha1.SchemeGroupVersion.WithKind(v1alpha1.KindDeploymentRecord)},
	}, apply.ApplySetTooling{}, nil, nil)
	if got, want := ID(record), theirs.ID(); got != want {
		t.Errorf("id is %q, kubectl's is %q", got, want)
	}
}

func TestMarkingAgainChangesNothing(t *testing.T) {
	record := &metav1.ObjectMeta{Name: "echo-1", Namespace: "team-a"}
	job := schema.GroupKind{Group: "batch", Kind: "Job"}
	if !Mark(record) || !Mark(record, job) {
		t.Error("marking for a kind that is not listed changed nothing")
	}
	if Mark(record) || Mark(record, job, schema.GroupKind{Group: "apps", Kind: "Deployment"}) {
		t.Error("marked again for kinds that are listed")
	}
	if kinds := record.Annotations[AnnotationKinds]; !strings.Contains(kinds, "Job.batch") {
		t.Errorf("kinds are %q", kinds)
	}
}
