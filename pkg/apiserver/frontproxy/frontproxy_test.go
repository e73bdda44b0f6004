// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package frontproxy_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/http"
	"slices"
	"testing"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	apirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	certutil "k8s.io/client-go/util/cert"

	"oaas.io/oaas/pkg/apiserver/frontproxy"
)

func TestOnlyTheFrontProxySparesAuthorization(t *testing.T) {
	proxyCA, proxyKey := authority(t, "front-proxy-ca")
	otherCA, otherKey := authority(t, "other-ca")
	proxy := client(t, "front-proxy-client", proxyCA, proxyKey)
	stranger := client(t, "stranger", proxyCA, proxyKey)
	forged := client(t, "front-proxy-client", otherCA, otherKey)

	resource := authorizer.AttributesRecord{
		ResourceRequest: true, APIGroup: "pm.oaas.io", APIVersion: "v1alpha1", Resource: "packages", Namespace: "shop", Name: "cart", Verb: "patch",
	}
	// handled is the request that kube-apiserver has authorized.
	handled := &apirequest.RequestInfo{
		IsResourceRequest: true, APIGroup: "pm.oaas.io", APIVersion: "v1alpha1", Resource: "packages", Namespace: "shop", Name: "cart", Verb: "patch",
	}
	asks := func(change func(*authorizer.AttributesRecord)) authorizer.AttributesRecord {
		other := resource
		change(&other)
		return other
	}
	throughProxy := map[string]string{"X-Remote-User": "alice"}
	tests := map[string]struct {
		certificate *x509.Certificate
		headers     map[string]string
		attributes  authorizer.AttributesRecord
		user        string
		asked       bool
	}{
		"a request of the front proxy": {
			certificate: proxy, headers: map[string]string{"X-Remote-User": "alice", "X-Remote-Group": "retail"},
			attributes: resource, user: "alice",
		},
		"whether the front proxy's patch may create": {
			certificate: proxy, headers: throughProxy, user: "alice", asked: true,
			attributes: asks(func(a *authorizer.AttributesRecord) { a.Verb = "create" }),
		},
		"whether the front proxy's user may do the same elsewhere": {
			certificate: proxy, headers: throughProxy, user: "alice", asked: true,
			attributes: asks(func(a *authorizer.AttributesRecord) { a.Namespace = "bank" }),
		},
		"whether the front proxy's user may do the same to another object": {
			certificate: proxy, headers: throughProxy, user: "alice", asked: true,
			attributes: asks(func(a *authorizer.AttributesRecord) { a.Name = "till" }),
		},
		"whether the front proxy's user may write the status": {
			certificate: proxy, headers: throughProxy, user: "alice", asked: true,
			attributes: asks(func(a *authorizer.AttributesRecord) { a.Subresource = "status" }),
		},
		"a request of the front proxy for another group's resource": {
			certificate: proxy, headers: map[string]string{"X-Remote-User": "alice"},
			attributes: authorizer.AttributesRecord{ResourceRequest: true, Resource: "users", Verb: "impersonate"}, user: "alice", asked: true,
		},
		"a request of the front proxy for a path": {
			certificate: proxy, headers: map[string]string{"X-Remote-User": "alice"},
			attributes: authorizer.AttributesRecord{Path: "/metrics", Verb: "get", APIGroup: "pm.oaas.io"}, user: "alice", asked: true,
		},
		"headers with the certificate of somebody else that the same authority knows": {
			certificate: stranger, headers: map[string]string{"X-Remote-User": "alice"}, attributes: resource, user: "direct", asked: true,
		},
		"headers with a certificate of the right name from another authority": {
			certificate: forged, headers: map[string]string{"X-Remote-User": "alice"}, attributes: resource, user: "direct", asked: true,
		},
		"headers without any certificate": {
			headers: map[string]string{"X-Remote-User": "alice"}, attributes: resource, user: "direct", asked: true,
		},
		"the proxy's certificate without headers": {
			certificate: proxy, attributes: resource, user: "direct", asked: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			direct := authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
				return &authenticator.Response{User: &user.DefaultInfo{Name: "direct"}}, true, nil
			})
			asked := false
			refuse := authorizer.AuthorizerFunc(func(context.Context, authorizer.Attributes) (authorizer.Decision, string, error) {
				asked = true
				return authorizer.DecisionNoOpinion, "", nil
			})

			request := &http.Request{Header: http.Header{}, TLS: &tls.ConnectionState{}}
			if test.certificate != nil {
				request.TLS.PeerCertificates = []*x509.Certificate{test.certificate}
			}
			for key, value := range test.headers {
				request.Header.Set(key, value)
			}
			response, ok, err := frontproxy.Authenticator(trusting(t, proxyCA), direct).AuthenticateRequest(request)
			if err != nil || !ok || response.User.GetName() != test.user {
				t.Fatalf("authenticated %v, %v, %v; want %s", response, ok, err, test.user)
			}
			if test.user == "alice" && !slices.Contains(response.User.GetGroups(), user.AllAuthenticated) {
				t.Errorf("alice is in %v only", response.User.GetGroups())
			}
			test.attributes.User = response.User
			decision, _, err := frontproxy.Authorizer("pm.oaas.io", refuse).Authorize(apirequest.WithRequestInfo(t.Context(), handled), test.attributes)
			if err != nil || asked != test.asked || (decision == authorizer.DecisionAllow) == test.asked {
				t.Errorf("decided %v (%v), asked %v; want asked %v", decision, err, asked, test.asked)
			}
		})
	}
}

// trusting is what kube-apiserver publishes of its front proxy.
func trusting(t *testing.T, ca *x509.Certificate) *authenticatorfactory.RequestHeaderConfig {
	t.Helper()
	bundle, err := certutil.EncodeCertificates(ca)
	if err != nil {
		t.Fatal(err)
	}
	provider, err := dynamiccertificates.NewStaticCAContent("front-proxy-ca", bundle)
	if err != nil {
		t.Fatal(err)
	}
	return &authenticatorfactory.RequestHeaderConfig{
		CAContentProvider:   provider,
		UsernameHeaders:     headerrequest.StaticStringSlice{"X-Remote-User"},
		GroupHeaders:        headerrequest.StaticStringSlice{"X-Remote-Group"},
		UIDHeaders:          headerrequest.StaticStringSlice{},
		ExtraHeaderPrefixes: headerrequest.StaticStringSlice{"X-Remote-Extra-"},
		AllowedClientNames:  headerrequest.StaticStringSlice{"front-proxy-client"},
	}
}

func authority(t *testing.T, name string) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	key := newKey(t)
	ca, err := certutil.NewSelfSignedCACert(certutil.Config{CommonName: name}, key)
	if err != nil {
		t.Fatal(err)
	}
	return ca, key
}

func client(t *testing.T, name string, ca *x509.Certificate, caKey crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, ca, newKey(t).Public(), caKey)
	certificate, parseErr := x509.ParseCertificate(der)
	if err := errors.Join(err, parseErr); err != nil {
		t.Fatal(err)
	}
	return certificate
}

func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
