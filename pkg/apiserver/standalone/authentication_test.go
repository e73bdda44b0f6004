// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/component-base/metrics/testutil"

	"oaas.io/oaas/pkg/apiserver/standalone/issuertest"
	"oaas.io/oaas/pkg/internal/polltest"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// who asks an authenticator about a token, "" being none.
func who(t *testing.T, a authenticator.Request, token string) (string, []string, error) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, known, err := a.AuthenticateRequest(request)
	if err != nil || !known {
		return "", nil, errors.Join(errors.New("not known"), err)
	}
	return response.User.GetName(), response.User.GetGroups(), nil
}

func startAuthentication(t *testing.T, path, serverID string) *Authentication {
	t.Helper()
	options := &Options{AuthenticationConfigFile: path}
	a, err := options.NewAuthentication(t.Context(), nil, serverID)
	if err != nil {
		t.Fatal(err)
	}
	go a.Watch(t.Context())
	return a
}

func TestTokensOfIssuersAreAccepted(t *testing.T) {
	issuer, stranger := issuertest.Start(t), issuertest.Start(t)
	path := filepath.Join(t.TempDir(), "authentication.yaml")
	write(t, path, issuertest.Configuration(issuer))
	a := startAuthentication(t, path, "accepted")

	ann := issuer.Token(t, map[string]any{"sub": "ann", "groups": []string{"platform"}})
	polltest.Until(t, "the issuer's keys are known", func() bool {
		_, _, err := who(t, a, ann)
		return err == nil
	})
	name, groups, err := who(t, a, ann)
	if err != nil || name != "jwt:ann" || !slices.Equal(groups, []string{"jwt:platform", "system:authenticated"}) {
		t.Errorf("got %q in %v, %v", name, groups, err)
	}
	for sentence, token := range map[string]string{
		"a token that has expired":            issuer.Token(t, map[string]any{"sub": "ann", "exp": time.Now().Add(-time.Minute).Unix()}),
		"a token for somebody else":           issuer.Token(t, map[string]any{"sub": "ann", "aud": "other"}),
		"a token of another issuer":           stranger.Token(t, map[string]any{"sub": "ann"}),
		"a token that another issuer signed":  stranger.Token(t, map[string]any{"sub": "ann", "iss": issuer.URL}),
		"a token whose payload was changed":   ann[:strings.Index(ann, ".")+1] + "e30" + ann[strings.LastIndex(ann, "."):],
		"a token without a signature":         "eyJhbGciOiJub25lIn0." + strings.Split(ann, ".")[1] + ".",
		"something that is no token":          "secret",
		"a token whose user claim is missing": issuer.Token(t, map[string]any{"groups": []string{"platform"}}),
	} {
		if name, _, err := who(t, a, token); err == nil {
			t.Errorf("%s is accepted as %q", sentence, name)
		}
	}
	if name, groups, err := who(t, a, ""); err != nil || name != "system:anonymous" || !slices.Equal(groups, []string{"system:unauthenticated"}) {
		t.Errorf("without a token: got %q in %v, %v, want the client without a name", name, groups, err)
	}
}

func TestAnonymousClientsCanBeTurnedAway(t *testing.T) {
	issuer := issuertest.Start(t)
	path := filepath.Join(t.TempDir(), "authentication.yaml")
	write(t, path, issuertest.Configuration(issuer)+"anonymous: {enabled: false}\n")
	if name, _, err := who(t, startAuthentication(t, path, "anonymous"), ""); err == nil {
		t.Errorf("a client without a token is %q, want an error", name)
	}
}

func TestIssuersAreReadAgain(t *testing.T) {
	const serverID = "read-again"
	first, second := issuertest.Start(t), issuertest.Start(t)
	path := filepath.Join(t.TempDir(), "authentication.yaml")
	write(t, path, issuertest.Configuration(first))
	a := startAuthentication(t, path, serverID)
	old := first.Token(t, map[string]any{"sub": "ann"})
	accepted := func(token string) func() bool {
		return func() bool {
			_, _, err := who(t, a, token)
			return err == nil
		}
	}
	polltest.Until(t, "the first issuer is known", accepted(old))

	failures := reloads(t, "authentication", "failure")
	for sentence, content := range map[string]string{
		"an empty file":                 "",
		"an unknown field":              issuertest.Configuration(first) + "jtw: []\n",
		"an issuer without encryption":  strings.Replace(issuertest.Configuration(first), "https://", "http://", 1),
		"no issuer at all":              "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n",
		"another kind of configuration": "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n",
	} {
		write(t, path, content)
		failures++
		polltest.Until(t, sentence+" is counted", func() bool { return reloads(t, "authentication", "failure") >= failures })
		failures = reloads(t, "authentication", "failure")
		if !accepted(old)() {
			t.Errorf("%s locks out clients of the issuer that was known", sentence)
		}
	}

	write(t, path, issuertest.Configuration(second))
	polltest.Until(t, "the second issuer is known", accepted(second.Token(t, map[string]any{"sub": "bob"})))
	if accepted(first.Token(t, map[string]any{"sub": "eve"}))() {
		t.Error("the issuer that was taken out is still known")
	}
	polltest.Until(t, "the change is counted", func() bool { return reloads(t, "authentication", "success") > 0 })
}

// reloads is the metric of changes of a file, by what came of them.
func reloads(t *testing.T, about, status string) int {
	t.Helper()
	families, err := legacyregistry.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, family := range families {
		if family.GetName() != "apiserver_"+about+"_config_controller_automatic_reloads_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			if testutil.LabelsMatch(metric, map[string]string{"status": status}) {
				total += metric.GetCounter().GetValue()
			}
		}
	}
	return int(total)
}

func TestAuthenticationNeedsSomebodyToKnow(t *testing.T) {
	if _, err := new(Options).NewAuthentication(t.Context(), nil, "none"); err == nil {
		t.Error("an authenticator that knows nobody is accepted")
	}
	options := &Options{AuthenticationConfigFile: filepath.Join(t.TempDir(), "missing.yaml")}
	if _, err := options.NewAuthentication(t.Context(), nil, "none"); err == nil || !strings.Contains(err.Error(), "--authentication-config") {
		t.Errorf("got %v, want an error that names the flag", err)
	}
}
