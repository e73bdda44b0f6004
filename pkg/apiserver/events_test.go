// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubefake "k8s.io/client-go/kubernetes/fake"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/internal/polltest"
)

// Kubernetes refuses an Event whose note has more than 1024 bytes.
func TestALongNoteIsCutToWhatAnEventHolds(t *testing.T) {
	host := kubefake.NewClientset()
	recorder, stop, err := newRecorder(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	about := &pmv1alpha1.Package{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart", UID: "1"}}
	recorder.Eventf(about, nil, corev1.EventTypeWarning, "Refused", "Deploy", "%s", "100% of it: "+strings.Repeat("ö", 4000))

	var note string
	polltest.Until(t, "the event is there", func() bool {
		list, err := host.EventsV1().Events("shop").List(t.Context(), metav1.ListOptions{})
		if err != nil || len(list.Items) == 0 {
			return false
		}
		note = list.Items[0].Note
		return true
	})
	if len(note) > 1024 || !strings.HasPrefix(note, "100% of it: öö") || !strings.HasSuffix(note, "…") {
		t.Errorf("the note has %d bytes, want at most 1024: %.40s", len(note), note)
	}
}
