// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// A webhook of somebody else refuses a child with the code of a conflict, which from
// the API server would pass in a moment.
func TestWebhookThatRefusesAChildWithAConflict(t *testing.T) {
	c, _, record := begin(t, &templates{})
	waitFor(t, c, record, "the record runs", running)
	asked := make(chan time.Time, 100)
	hook := refuse(t, c, record.Namespace, asked)
	// Webhooks are asked a moment after they were made.
	eventually(t, "the webhook is asked", func(ctx context.Context) error {
		probe := &appsv1.Deployment{}
		if err := c.Get(ctx, workloadOf(record), probe); err != nil {
			return err
		}
		probe.Spec.Template.Spec.Containers[0].Image = "registry.example/echo:2"
		if err := c.Update(ctx, probe, client.DryRunAll); err == nil || !strings.Contains(err.Error(), "not on a Friday") {
			return fmt.Errorf("it did not refuse: %w", err)
		}
		return nil
	})
	edit(t, c, record, func(r *v1alpha1.DeploymentRecord) { r.Spec.FunctionContainers[0].Image = "registry.example/echo:2" })
	now := waitFor(t, c, record, "the refusal is told", because(v1alpha1.ConditionDegraded, metav1.ConditionTrue, "ApplyFailed"))
	if !strings.Contains(now.Status.Message, "not on a Friday") {
		t.Errorf("message %q does not say what the webhook says", now.Status.Message)
	}
	// The pauses between the attempts grow.
	var longest time.Duration
	last := <-asked
	for attempts := 1; longest < time.Second; attempts++ {
		if attempts == 50 {
			t.Fatalf("the webhook was asked %d times with pauses of %s at most", attempts, longest)
		}
		next := <-asked
		longest, last = max(longest, next.Sub(last)), next
	}
	if err := c.Delete(t.Context(), hook); err != nil {
		t.Fatal(err)
	}
	waitFor(t, c, record, "the record runs again", running)
}

// refuse registers a webhook that refuses every change of a Deployment of a namespace.
func refuse(t *testing.T, c client.Client, namespace string, asked chan<- time.Time) client.Object {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		review := &admissionv1.AdmissionReview{}
		if err := json.NewDecoder(r.Body).Decode(review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if dryRun := review.Request.DryRun; dryRun == nil || !*dryRun {
			select {
			case asked <- time.Now():
			default:
			}
		}
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Result: &metav1.Status{
			Code: http.StatusConflict, Reason: metav1.StatusReasonConflict, Message: "not on a Friday",
		}}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(review); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	name := "refuse." + namespace + ".example.org"
	hook := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: name,
			ClientConfig: admissionregistrationv1.WebhookClientConfig{
				URL:      new(server.URL),
				CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
			},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Update},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments"}},
			}},
			SideEffects:             new(admissionregistrationv1.SideEffectClassNone),
			AdmissionReviewVersions: []string{"v1"},
		}},
	}
	if err := c.Create(t.Context(), hook); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.Background(), hook) })
	return hook
}
