// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

func TestAServerThatCannotRenderIsToldFromADeploymentThatIsNotThere(t *testing.T) {
	for sentence, test := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"a server from before": {http.NotFound, "older than this program and cannot render: upgrade it"},
		"no such deployment": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			answer := apierrors.NewNotFound(pmv1alpha1.SchemeGroupVersion.WithResource("classdeployments").GroupResource(), "cart").Status()
			answer.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
			_ = json.NewEncoder(w).Encode(answer)
		}, "no deployment is named cart in namespace default"},
	} {
		t.Run(sentence, func(t *testing.T) {
			server := httptest.NewServer(test.answer)
			t.Cleanup(server.Close)
			c, err := newConnection(&rest.Config{Host: server.URL}, "default", false)
			if err != nil {
				t.Fatal(err)
			}
			streams, _, _, _ := genericiooptions.NewTestIOStreams()
			o := &PreviewOptions{shared: &shared{IOStreams: streams}, preview: renderPreview(), Name: "cart"}
			if _, err := o.stored(t.Context(), c); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %q", err, test.says)
			}
		})
	}
}
