// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package harm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/pkg/apiserver/registration"
	"oaas.io/oaas/pkg/apiserver/selfcheck"
)

// Each permission of the server is taken away in turn: /readyz fails and names
// it, and succeeds again when it is back.
func TestEachMissingPermissionIsNamedAndItsReturnNoticed(t *testing.T) {
	restore(t)
	if err := hub.platform.Kill(t.Context(), platform.PackageManager); err != nil {
		t.Fatal(err)
	}
	// So that what is taken away is missed at once, and everything is in use.
	if err := hub.install(t.Context(), "--permission-check-interval=1s", "--leader-elect=true"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hub.platform.Kill(context.Background(), platform.PackageManager); err != nil {
			t.Error(err)
		}
	})
	scope := selfcheck.Scope{
		Namespace: platform.Namespace, LeaseNamespace: platform.Namespace, Secret: registration.SecretName, APIService: apiService,
	}
	rules := selfcheck.Rules(scope, selfcheck.Delegation, selfcheck.Admission, selfcheck.Quota, selfcheck.Fairness,
		selfcheck.Links, selfcheck.Controllers, selfcheck.Election, selfcheck.Registration)
	for _, rule := range rules {
		t.Run(rule.Name, func(t *testing.T) {
			giveBack := takeAway(t, rule)
			defer giveBack()
			check := "rbac-" + rule.Name
			eventually(t, "/readyz to miss it", func(ctx context.Context) error {
				body, err := ask(ctx, platform.PackageManager, "/readyz")
				if err == nil {
					return errors.New("the server is ready")
				}
				if !strings.Contains(body, "[-]"+check+" failed") {
					return fmt.Errorf("%s is not named in %s", check, body)
				}
				return nil
			})
			// A round that was under way missed what it asked for last; the next one all.
			eventually(t, "/readyz/"+check+" to name the verb, the resource and the role", func(ctx context.Context) error {
				body, err := ask(ctx, platform.PackageManager, "/readyz/"+check)
				resource, _, _ := strings.Cut(rule.Resources[0], "/")
				if err == nil || !strings.Contains(body, rule.Verbs[len(rule.Verbs)-1]+" "+resource) || !strings.Contains(body, rule.Role) {
					return fmt.Errorf("it says %q, want %s and %s", body, resource, rule.Role)
				}
				return nil
			})
			giveBack()
			eventually(t, "the server to be ready again", func(ctx context.Context) error {
				_, err := ask(ctx, platform.PackageManager, "/readyz")
				return err
			})
		})
	}
}

// takeAway removes a permission and returns what gives it back.
func takeAway(t *testing.T, rule selfcheck.Rule) (giveBack func()) {
	t.Helper()
	api := hub.kube.RbacV1()
	kind, name, _ := strings.Cut(rule.Role, " ")
	namespace, name, namespaced := strings.Cut(name, "/")
	if !namespaced {
		namespace, name = "", namespace
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// What is Kubernetes' own is unbound; what is ours loses the rule.
	own := strings.HasPrefix(name, "oaas-apiserver")
	ctx := context.Background()
	var restore func() error
	switch {
	case !own && kind == "ClusterRole":
		found, err := api.ClusterRoleBindings().Get(ctx, "oaas-apiserver:auth-delegator", metav1.GetOptions{})
		must(err)
		must(api.ClusterRoleBindings().Delete(ctx, found.Name, metav1.DeleteOptions{}))
		found.ResourceVersion = ""
		restore = func() error {
			_, err := api.ClusterRoleBindings().Create(ctx, found, metav1.CreateOptions{})
			return err
		}
	case !own:
		found, err := api.RoleBindings(namespace).Get(ctx, "oaas-apiserver:"+name, metav1.GetOptions{})
		must(err)
		must(api.RoleBindings(namespace).Delete(ctx, found.Name, metav1.DeleteOptions{}))
		found.ResourceVersion = ""
		restore = func() error {
			_, err := api.RoleBindings(namespace).Create(ctx, found, metav1.CreateOptions{})
			return err
		}
	case kind == "ClusterRole":
		found, err := api.ClusterRoles().Get(ctx, name, metav1.GetOptions{})
		must(err)
		before := found.Rules
		found.Rules = without(t, found.Rules, rule)
		changed, err := api.ClusterRoles().Update(ctx, found, metav1.UpdateOptions{})
		must(err)
		changed.Rules = before
		restore = func() error {
			_, err := api.ClusterRoles().Update(ctx, changed, metav1.UpdateOptions{})
			return err
		}
	default:
		found, err := api.Roles(namespace).Get(ctx, name, metav1.GetOptions{})
		must(err)
		before := found.Rules
		found.Rules = without(t, found.Rules, rule)
		changed, err := api.Roles(namespace).Update(ctx, found, metav1.UpdateOptions{})
		must(err)
		changed.Rules = before
		restore = func() error {
			_, err := api.Roles(namespace).Update(ctx, changed, metav1.UpdateOptions{})
			return err
		}
	}
	done := false
	return func() {
		if done {
			return
		}
		done = true
		must(restore())
	}
}

func without(t *testing.T, rules []rbacv1.PolicyRule, rule selfcheck.Rule) []rbacv1.PolicyRule {
	t.Helper()
	left := slices.DeleteFunc(slices.Clone(rules), func(r rbacv1.PolicyRule) bool {
		return slices.Contains(r.APIGroups, rule.Group) && slices.Equal(r.Resources, rule.Resources) && slices.Equal(r.ResourceNames, rule.Names)
	})
	if len(left) != len(rules)-1 {
		t.Fatalf("%d rules are for %v, want one", len(rules)-len(left), rule.Resources)
	}
	return left
}

// ask gets a path of a replica of the Package Manager itself, and returns what it
// said also when that is an error.
func ask(ctx context.Context, replica, path string) (body string, err error) {
	config, err := hub.platform.Direct(ctx, replica, hub.config)
	if err != nil {
		return "", err
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return "", err
	}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, config.Host+path, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	content, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s: %s", path, response.Status, content)
	}
	return string(content), err
}
