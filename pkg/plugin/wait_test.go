// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// A server that takes requests and never answers must not hold up a wait for
// longer than the user wants to wait.
func TestAWaitEndsThoughTheServerIsSilent(t *testing.T) {
	silent := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-silent:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(silent) })
	c, err := newConnection(&rest.Config{Host: server.URL}, "default", false)
	if err != nil {
		t.Fatal(err)
	}
	deployment := makeDeployment("cart").unstructured(t)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&pmv1alpha1.Package{
		ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: "default"},
		Spec:       pmv1alpha1.PackageSpec{Deployments: []pmv1alpha1.PackageDeployment{{Name: "own"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for sentence, results := range map[string][]applied{
		"for a deployment":                   {{item: item{kind: kindNamed("ClassDeployment")}, object: deployment}},
		"for what a package makes by itself": {{item: item{kind: kindNamed("Package")}, object: &unstructured.Unstructured{Object: content}}},
	} {
		t.Run(sentence, func(t *testing.T) {
			streams, _, _, _ := genericiooptions.NewTestIOStreams()
			o := &DeployOptions{shared: &shared{IOStreams: streams, clock: clock.RealClock{}}, Timeout: 200 * time.Millisecond}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			err := o.wait(ctx, c, results)
			if ExitCode(err) != ExitTimeout || !strings.Contains(err.Error(), "200ms") {
				t.Errorf("got %v with exit code %d, want a timeout after 200ms", err, ExitCode(err))
			}
		})
	}
}
