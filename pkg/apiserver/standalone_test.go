// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/apiserver/standalone/issuertest"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
	"oaas.io/oaas/pkg/pki"
)

const testRoles = `
apiVersion: authorization.oaas.io/v1alpha1
kind: RoleMapping
bindings:
- role: admin
  groups: ["jwt:platform"]
- role: edit
  groups: ["jwt:developers", developers]
  namespaces: [shop]
- role: view
  groups: ["jwt:readers"]
`

func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, readyWithin, true, func(context.Context) (bool, error) {
		return condition(), nil
	})
	if err != nil {
		t.Fatalf("waited in vain: %s", what)
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// newAuthority returns an authority that signs certificates of clients.
func newAuthority(t *testing.T) *pki.Authority {
	t.Helper()
	return must(pki.NewAuthority("clients", time.Now(), time.Hour))(t)
}

// certificate shows a client certificate.
func certificate(t *testing.T, authority *pki.Authority, name string, groups ...string) func(*rest.Config) {
	t.Helper()
	pair := must(authority.Issue(pki.Request{User: name, Groups: groups, Client: true, Lifetime: time.Hour}, time.Now()))(t)
	return func(config *rest.Config) { config.CertData, config.KeyData = pair.Cert, pair.Key }
}

func token(t *testing.T, issuer *issuertest.Issuer, name string, groups ...string) func(*rest.Config) {
	t.Helper()
	signed := issuer.Token(t, map[string]any{"sub": name, "groups": groups})
	return func(config *rest.Config) { config.BearerToken = signed }
}

// access is a server that knows two authorities of clients.
type access struct {
	*testing.T
	*server
	authority *pki.Authority
	issuer    *issuertest.Issuer
	roles     string
}

func runStandalone(t *testing.T) access {
	t.Helper()
	dir := t.TempDir()
	a := access{T: t, authority: newAuthority(t), issuer: issuertest.Start(t), roles: filepath.Join(dir, "roles.yaml")}
	authority, issuers := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "authentication.yaml")
	writeFile(t, authority, string(a.authority.Cert))
	writeFile(t, issuers, issuertest.Configuration(a.issuer))
	writeFile(t, a.roles, testRoles)
	a.server = runServer(t, dataFolder(t), func(o *Options) {
		o.Authentication.ClientCert.ClientCA = authority
		o.StandaloneAccess.AuthenticationConfigFile = issuers
		o.StandaloneAccess.RolesFile = a.roles
	})
	reader := a.client(token(t, a.issuer, "first", "readers"))
	waitFor(t, "the issuer's keys are known", func() bool {
		_, err := reader.PmV1alpha1().Packages(namespace).List(t.Context(), metav1.ListOptions{})
		return err == nil
	})
	return a
}

func (a access) client(as func(*rest.Config)) versioned.Interface {
	return versioned.NewForConfigOrDie(a.as(as))
}

func (a access) create(as func(*rest.Config), in string) error {
	p := echoPackage("")
	p.GenerateName, p.Namespace = "by-", in
	_, err := a.client(as).PmV1alpha1().Packages(in).Create(a.Context(), p, metav1.CreateOptions{})
	return err
}

func TestStandaloneServerLetsNobodyInWhoHasNoRight(t *testing.T) {
	a := runStandalone(t)
	stranger, strangers := issuertest.Start(t), newAuthority(t)
	tests := map[string]struct {
		as func(*rest.Config)
		// code is the answer to a list and to a create in two namespaces.
		list, createInShop, createElsewhere int32
	}{
		"a member of system:masters, by certificate":  {certificate(t, a.authority, "root", "system:masters"), 0, 0, 0},
		"an administrator, by token":                  {token(t, a.issuer, "ann", "platform"), 0, 0, 0},
		"an editor of a namespace, by token":          {token(t, a.issuer, "bob", "developers"), 403, 0, 403},
		"an editor of a namespace, by certificate":    {certificate(t, a.authority, "ci", "developers"), 403, 0, 403},
		"a reader, by token":                          {token(t, a.issuer, "carol", "readers"), 0, 403, 403},
		"somebody known without a role":               {token(t, a.issuer, "dave"), 403, 403, 403},
		"somebody known by certificate, without role": {certificate(t, a.authority, "dave"), 403, 403, 403},
		"somebody in a token's group without prefix":  {certificate(t, a.authority, "eve", "platform"), 403, 403, 403},
		"a token that claims system:masters":          {token(t, a.issuer, "eve", "system:masters"), 403, 403, 403},
		"nobody":                                      {func(*rest.Config) {}, 403, 403, 403},
		"a token of a stranger":                       {token(t, stranger, "eve", "platform"), 401, 401, 401},
		"a certificate of a stranger":                 {certificate(t, strangers, "eve", "system:masters"), 401, 401, 401},
		"a token that is none":                        {func(c *rest.Config) { c.BearerToken = "secret" }, 401, 401, 401},
		"somebody who says to be another":             {both(token(t, a.issuer, "carol", "readers"), impersonate("root", "system:masters")), 403, 403, 403},
		"somebody with a front proxy's headers":       {both(token(t, a.issuer, "carol", "readers"), proxied("root", "system:masters")), 0, 403, 403},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			_, listed := a.client(test.as).PmV1alpha1().Packages("").List(t.Context(), metav1.ListOptions{})
			for _, got := range []struct {
				what string
				err  error
				want int32
			}{
				{"list", listed, test.list},
				{"create in shop", a.create(test.as, namespace), test.createInShop},
				{"create elsewhere", a.create(test.as, "no-such-namespace-needs-to-exist"), test.createElsewhere},
			} {
				if code := codeOf(got.err); code != got.want {
					t.Errorf("%s: got %d (%v), want %d", got.what, code, got.err, got.want)
				}
			}
		})
	}
}

func both(first, second func(*rest.Config)) func(*rest.Config) {
	return func(config *rest.Config) {
		first(config)
		second(config)
	}
}

func impersonate(name string, groups ...string) func(*rest.Config) {
	return func(config *rest.Config) {
		config.Impersonate = rest.ImpersonationConfig{UserName: name, Groups: groups}
	}
}

// proxied sends the headers in which a front proxy says who its client is.
func proxied(name, group string) func(*rest.Config) {
	return func(config *rest.Config) {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				r = r.Clone(r.Context())
				r.Header.Set("X-Remote-User", name)
				r.Header.Set("X-Remote-Group", group)
				return next.RoundTrip(r)
			})
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// codeOf is the status code of an error, 0 without one.
func codeOf(err error) int32 {
	if err == nil {
		return 0
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Code
	}
	return -1
}

func TestRightsFollowTheirFile(t *testing.T) {
	a := runStandalone(t)
	dave := token(t, a.issuer, "dave", "newcomers")
	if code := codeOf(a.create(dave, namespace)); code != http.StatusForbidden {
		t.Fatalf("before: got %d, want 403", code)
	}
	writeFile(t, a.roles, testRoles+"- role: edit\n  groups: [\"jwt:newcomers\"]\n")
	waitFor(t, "the newcomer may create packages", func() bool { return a.create(dave, namespace) == nil })
}

// TestClustersAreTheAdministrators holds that no resource outside namespaces was
// added which the roles do not know of.
func TestClustersAreTheAdministrators(t *testing.T) {
	a := runStandalone(t)
	list := must(must(discovery.NewDiscoveryClientForConfig(a.as(token(t, a.issuer, "carol", "readers"))))(t).
		ServerResourcesForGroupVersion(v1alpha1.SchemeGroupVersion.String()))(t)
	reader := must(dynamic.NewForConfig(a.as(token(t, a.issuer, "carol", "readers"))))(t)
	admin := must(dynamic.NewForConfig(a.as(token(t, a.issuer, "ann", "platform"))))(t)
	seen := 0
	for _, resource := range list.APIResources {
		if resource.Namespaced || !slices.Contains(resource.Verbs, "list") {
			continue
		}
		seen++
		what := v1alpha1.SchemeGroupVersion.WithResource(resource.Name)
		if _, err := reader.Resource(what).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
			t.Errorf("a reader lists %s: %v", resource.Name, err)
		}
		if _, err := admin.Resource(what).List(t.Context(), metav1.ListOptions{}); err != nil {
			t.Errorf("an administrator does not list %s: %v", resource.Name, err)
		}
	}
	if seen == 0 {
		t.Error("no resource outside namespaces was found")
	}
}
