// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericoptions "k8s.io/apiserver/pkg/server/options"

	"oaas.io/oaas/pkg/internal/polltest"
)

const viewers = `
apiVersion: authorization.oaas.io/v1alpha1
kind: RoleMapping
bindings:
- role: view
  groups: [readers]
`

func delegating() *genericoptions.DelegatingAuthorizationOptions {
	options := genericoptions.NewDelegatingAuthorizationOptions()
	options.WebhookRetryBackoff = &wait.Backoff{Duration: time.Millisecond, Steps: 1}
	options.AllowCacheTTL, options.DenyCacheTTL = 0, 0
	return options
}

func request(name, group, verb string) authorizer.Attributes {
	return authorizer.AttributesRecord{
		User: &user.DefaultInfo{Name: name, Groups: []string{group}}, Verb: verb, ResourceRequest: true,
		APIGroup: "pm.oaas.io", APIVersion: "v1alpha1", Resource: "packages", Namespace: "shop",
	}
}

func allowed(t *testing.T, a authorizer.Authorizer, about authorizer.Attributes) bool {
	t.Helper()
	decision, _, _ := a.Authorize(t.Context(), about)
	return decision == authorizer.DecisionAllow
}

func TestWithoutRolesOnlyAdministratorsMayAct(t *testing.T) {
	a, err := new(Options).NewAuthorization(t.Context(), delegating(), "none")
	if err != nil {
		t.Fatal(err)
	}
	if !allowed(t, a, request("root", user.SystemPrivilegedGroup, "delete")) {
		t.Error("a member of system:masters may not")
	}
	if allowed(t, a, request("ann", user.AllAuthenticated, "get")) {
		t.Error("everybody may")
	}
	health := authorizer.AttributesRecord{User: &user.DefaultInfo{Name: user.Anonymous}, Verb: "get", Path: "/readyz"}
	if !allowed(t, a, health) {
		t.Error("a probe may not ask for readiness")
	}
}

func TestRolesAreReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "roles.yaml")
	write(t, path, viewers)
	a, err := (&Options{RolesFile: path}).NewAuthorization(t.Context(), delegating(), "roles")
	if err != nil {
		t.Fatal(err)
	}
	go a.Watch(t.Context())
	if !allowed(t, a, request("ann", "readers", "get")) || allowed(t, a, request("ann", "readers", "update")) {
		t.Fatal("the role view is not what a reader has")
	}
	write(t, path, strings.Replace(viewers, "role: view", "role: edit", 1))
	polltest.Until(t, "the reader may write", func() bool { return allowed(t, a, request("ann", "readers", "update")) })
	failures := reloads(t, "authorization", "failure")
	write(t, path, strings.Replace(viewers, "role: view", "role: everything", 1))
	polltest.Until(t, "the broken file is counted", func() bool { return reloads(t, "authorization", "failure") > failures })
	if !allowed(t, a, request("ann", "readers", "update")) {
		t.Error("a broken file takes rights away")
	}
	write(t, path, strings.Replace(viewers, "readers", "others", 1))
	polltest.Until(t, "the reader may nothing", func() bool { return !allowed(t, a, request("ann", "readers", "get")) })
}

func TestRolesMustBeRightAtTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "roles.yaml")
	write(t, path, strings.Replace(viewers, "role: view", "role: owner", 1))
	_, err := (&Options{RolesFile: path}).NewAuthorization(t.Context(), delegating(), "wrong")
	if err == nil || !strings.Contains(err.Error(), "--authorization-roles-file") || !strings.Contains(err.Error(), "bindings[0].role") {
		t.Errorf("got %v, want an error with the flag and the field", err)
	}
}

func TestAWebhookIsAskedAboutTheRest(t *testing.T) {
	var asked []string
	webhook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review authorizationv1.SubjectAccessReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			t.Error(err)
		}
		asked = append(asked, review.Spec.User+" "+review.Spec.ResourceAttributes.Verb)
		review.Status.Allowed = review.Spec.User == "bob"
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(review); err != nil {
			t.Error(err)
		}
	}))
	dir := t.TempDir()
	kubeconfig, mapping := filepath.Join(dir, "webhook.kubeconfig"), filepath.Join(dir, "roles.yaml")
	write(t, mapping, viewers)
	write(t, kubeconfig, fmt.Sprintf(`
apiVersion: v1
kind: Config
clusters: [{name: webhook, cluster: {server: %q}}]
users: [{name: oaas}]
contexts: [{name: webhook, context: {cluster: webhook, user: oaas}}]
current-context: webhook
`, webhook.URL+"/authorize"))
	a, err := (&Options{RolesFile: mapping, WebhookConfigFile: kubeconfig}).NewAuthorization(t.Context(), delegating(), "webhook")
	if err != nil {
		t.Fatal(err)
	}
	if !allowed(t, a, request("ann", "readers", "get")) || !allowed(t, a, request("root", user.SystemPrivilegedGroup, "delete")) || len(asked) != 0 {
		t.Errorf("the webhook was asked %q about what the roles allow", asked)
	}
	if !allowed(t, a, request("bob", "", "delete")) || allowed(t, a, request("eve", "", "get")) || allowed(t, a, request("ann", "readers", "delete")) {
		t.Errorf("the webhook's answers were not respected; it was asked %q", asked)
	}
	webhook.Close()
	if allowed(t, a, request("bob", "", "delete")) {
		t.Error("a webhook that is away allows something")
	}
	if !allowed(t, a, request("ann", "readers", "get")) {
		t.Error("a webhook that is away takes away what a role allows")
	}
}
