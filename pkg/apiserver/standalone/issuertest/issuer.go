// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package issuertest runs issuers of JSON web tokens for tests.
package issuertest

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const keyID = "test"

// Issuer is an OpenID Connect issuer that signs what it is asked to.
type Issuer struct {
	// URL is the issuer's name and where it is asked for its keys.
	URL string
	// Authority is the PEM certificate that signed its serving certificate.
	Authority string

	key *rsa.PrivateKey
}

// Start runs an issuer until the test ends.
func Start(t *testing.T) *Issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	answer := func(path string, body any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if err := json.NewEncoder(w).Encode(body); err != nil {
				t.Error(err)
			}
		})
	}
	answer("/.well-known/openid-configuration", map[string]any{
		"issuer": server.URL, "jwks_uri": server.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"},
	})
	encode := base64.RawURLEncoding.EncodeToString
	answer("/keys", map[string]any{"keys": []map[string]string{{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": keyID,
		"n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes()),
	}}})
	return &Issuer{
		URL:       server.URL,
		Authority: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})),
		key:       key,
	}
}

// Token signs the claims. Issuer, audience oaas and an hour of validity are
// added where the claims do not say otherwise.
func (i *Issuer) Token(t *testing.T, claims map[string]any) string {
	t.Helper()
	all := jwt.MapClaims{"iss": i.URL, "aud": "oaas", "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, all)
	token.Header["kid"] = keyID
	signed, err := token.SignedString(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// Configuration is an AuthenticationConfiguration that accepts the issuers'
// tokens: the claim sub is the user, the claim groups holds its groups, both with
// the prefix "jwt:".
func Configuration(issuers ...*Issuer) string {
	var b strings.Builder
	b.WriteString("apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n")
	for _, issuer := range issuers {
		fmt.Fprintf(&b, `- issuer:
    url: %s
    audiences: [oaas]
    certificateAuthority: |
      %s
  claimMappings:
    username: {claim: sub, prefix: "jwt:"}
    groups: {claim: groups, prefix: "jwt:"}
`, issuer.URL, strings.ReplaceAll(strings.TrimSpace(issuer.Authority), "\n", "\n      "))
	}
	return b.String()
}
