// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crmclient_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/crmclient"
)

// vault holds Secrets in memory.
type vault struct {
	mu      sync.Mutex
	content map[string][]byte
	err     error
}

func (v *vault) ReadSecret(_ context.Context, _, _ string) (map[string][]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.content, v.err
}

func (v *vault) set(content map[string][]byte, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.content, v.err = content, err
}

// pair is a certificate with its key.
type pair struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	certPEM     []byte
	keyPEM      []byte
}

// issue makes a certificate; without an issuer it is an authority.
func issue(t *testing.T, name string, issuer *pair) *pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := template, key
	if issuer == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	} else {
		parent, signer = issuer.certificate, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &pair{
		certificate: certificate, key: key,
		certPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		keyPEM:  pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}),
	}
}

// tlsServer serves with TLS; clients must show a certificate of the authority
// when asked to.
func tlsServer(t *testing.T, m *manager, authority *pair, clientAuth tls.ClientAuthType) string {
	t.Helper()
	server := issue(t, "crm.example", authority)
	certificate, err := tls.X509KeyPair(server.certPEM, server.keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AddCert(authority.certificate)
	return serve(t, m, grpc.Creds(credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}, ClientAuth: clientAuth, ClientCAs: clients,
	})))
}

func verified(authority *pair, serverName string) func(*pmv1alpha1.ClusterSpec) {
	return func(s *pmv1alpha1.ClusterSpec) {
		s.TLS = &pmv1alpha1.ClusterTLS{CABundle: authority.certPEM, ServerName: serverName}
	}
}

func identified(kind pmv1alpha1.ClusterAuthType) func(*pmv1alpha1.ClusterSpec) {
	return func(s *pmv1alpha1.ClusterSpec) {
		s.Auth = &pmv1alpha1.ClusterAuth{Type: kind, SecretRef: &pmv1alpha1.SecretReference{Namespace: "oaas-system", Name: "crm"}}
	}
}

func withSecrets(v *vault) crmclient.Options {
	options := quick()
	options.Secrets = v
	return options
}

func TestAnIdentityReachesTheCluster(t *testing.T) {
	for name, test := range map[string]struct {
		kind   pmv1alpha1.ClusterAuthType
		secret map[string][]byte
		want   string
	}{
		"bearer token": {pmv1alpha1.ClusterAuthBearer, map[string][]byte{"token": []byte("t0ken\n")}, "Bearer t0ken"},
		"basic":        {pmv1alpha1.ClusterAuthBasic, map[string][]byte{"username": []byte("u"), "password": []byte("p")}, "Basic dTpw"},
	} {
		t.Run(name, func(t *testing.T) {
			m, authority := &manager{}, issue(t, "authority", nil)
			pool := newPool(t, withSecrets(&vault{content: test.secret}))
			link := connect(t, pool, clusterAt(tlsServer(t, m, authority, tls.NoClientCert), verified(authority, "crm.example"), identified(test.kind)))
			if _, err := link.Deploy(t.Context(), unit("u")); err != nil {
				t.Fatal(err)
			}
			if got := m.header("authorization"); len(got) != 1 || got[0] != test.want {
				t.Errorf("authorization is %q, want %q", got, test.want)
			}
		})
	}
}

func TestACertificateIsPresentedAndRenewedFromTheSecret(t *testing.T) {
	m, authority := &manager{}, issue(t, "authority", nil)
	stranger := issue(t, "stranger", issue(t, "other authority", nil))
	friend := issue(t, "package-manager", authority)
	secrets := &vault{}
	secrets.set(map[string][]byte{"tls.crt": stranger.certPEM, "tls.key": stranger.keyPEM}, nil)
	pool := newPool(t, withSecrets(secrets))
	cluster := clusterAt(tlsServer(t, m, authority, tls.RequireAndVerifyClientCert), verified(authority, "crm.example"), identified(pmv1alpha1.ClusterAuthCertificate))
	first := connect(t, pool, cluster)
	if _, err := first.Deploy(t.Context(), unit("u")); !crmclient.IsUnreachable(err) {
		t.Fatalf("with a stranger's certificate: %v, want no connection", err)
	}
	secrets.set(map[string][]byte{"tls.crt": friend.certPEM, "tls.key": friend.keyPEM}, nil)
	second := connect(t, pool, cluster)
	if second == first {
		t.Fatal("the link was not made anew from the renewed Secret")
	}
	if _, err := second.Deploy(t.Context(), unit("u")); err != nil {
		t.Error(err)
	}
}

func TestAServerOfAnotherNameOrAuthorityIsNotTrusted(t *testing.T) {
	m, authority := &manager{}, issue(t, "authority", nil)
	address := tlsServer(t, m, authority, tls.NoClientCert)
	for name, tls := range map[string]func(*pmv1alpha1.ClusterSpec){
		"another name":      verified(authority, "evil.example"),
		"another authority": verified(issue(t, "authority", nil), "crm.example"),
	} {
		t.Run(name, func(t *testing.T) {
			link := connect(t, newPool(t, quick()), clusterAt(address, tls))
			if _, err := link.Deploy(t.Context(), unit("u")); !crmclient.IsUnreachable(err) || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("got %v, want a failed verification of the certificate", err)
			}
		})
	}
}

func TestWhatCannotBeSetUpNamesTheField(t *testing.T) {
	authority := issue(t, "authority", nil)
	for name, test := range map[string]struct {
		spec   func(*pmv1alpha1.ClusterSpec)
		secret *vault
		want   string
	}{
		"an identity without TLS": {identified(pmv1alpha1.ClusterAuthBearer), &vault{content: map[string][]byte{"token": []byte("t")}}, "spec.tls"},
		"an identity without a Secret": {func(s *pmv1alpha1.ClusterSpec) {
			verified(authority, "")(s)
			s.Auth = &pmv1alpha1.ClusterAuth{Type: pmv1alpha1.ClusterAuthBasic}
		}, &vault{}, "spec.auth.secretRef"},
		"a Secret that cannot be read": {func(s *pmv1alpha1.ClusterSpec) {
			verified(authority, "")(s)
			identified(pmv1alpha1.ClusterAuthBearer)(s)
		}, &vault{err: errors.New("forbidden")}, "Secret oaas-system/crm: forbidden"},
		"a Secret without the key": {func(s *pmv1alpha1.ClusterSpec) {
			verified(authority, "")(s)
			identified(pmv1alpha1.ClusterAuthBasic)(s)
		}, &vault{content: map[string][]byte{"username": []byte("u")}}, `has no "password"`},
		"a key that is none": {func(s *pmv1alpha1.ClusterSpec) {
			verified(authority, "")(s)
			identified(pmv1alpha1.ClusterAuthCertificate)(s)
		}, &vault{content: map[string][]byte{"tls.crt": []byte("x"), "tls.key": []byte("y")}}, "tls.crt and tls.key"},
		"a bundle that is none": {func(s *pmv1alpha1.ClusterSpec) {
			s.TLS = &pmv1alpha1.ClusterTLS{CABundle: []byte("x")}
		}, &vault{}, "spec.tls.caBundle"},
	} {
		t.Run(name, func(t *testing.T) {
			pool := newPool(t, withSecrets(test.secret))
			_, err := pool.Ensure(t.Context(), clusterAt("127.0.0.1:1", test.spec))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v does not say %q", err, test.want)
			}
			if _, ok := pool.Get("a"); ok {
				t.Error("there is a link all the same")
			}
		})
	}
}

func TestALinkStaysUntilItsSettingsChange(t *testing.T) {
	pool := newPool(t, quick())
	cluster := clusterAt(serve(t, &manager{}))
	first := connect(t, pool, cluster)
	cluster.Labels = map[string]string{"x": "y"}
	if connect(t, pool, cluster) != first {
		t.Error("a change that does not concern the link made it anew")
	}
	cluster.Spec.Endpoint = serve(t, &manager{})
	second := connect(t, pool, cluster)
	if second == first {
		t.Fatal("another endpoint got the same link")
	}
	if _, err := first.Deploy(t.Context(), unit("u")); err == nil {
		t.Error("the old link still makes calls")
	}
	if got, ok := pool.Get("a"); !ok || got != second {
		t.Error("the pool does not give the new link")
	}
}

func TestALinkOutlivesASecretThatCannotBeReadForAWhile(t *testing.T) {
	m, authority := &manager{}, issue(t, "authority", nil)
	secrets := &vault{content: map[string][]byte{"token": []byte("t")}}
	pool := newPool(t, withSecrets(secrets))
	cluster := clusterAt(tlsServer(t, m, authority, tls.NoClientCert), verified(authority, "crm.example"), identified(pmv1alpha1.ClusterAuthBearer))
	connect(t, pool, cluster)
	secrets.set(nil, errors.New("API server is away"))
	link, err := pool.Ensure(t.Context(), cluster)
	if err == nil || link == nil {
		t.Fatalf("Ensure gave link %v, error %v; want both", link, err)
	}
	if _, err := link.Deploy(t.Context(), unit("u")); err != nil {
		t.Error(err)
	}
}

func TestARemovedClusterHasNoLink(t *testing.T) {
	told := &changes{}
	pool := newPool(t, quick())
	pool.Subscribe(told.add)
	link := connect(t, pool, clusterAt(serve(t, &manager{})))
	pool.Remove("a")
	if _, ok := pool.Get("a"); ok {
		t.Error("there is a link to a cluster that was removed")
	}
	if _, err := link.Health(t.Context()); err == nil {
		t.Error("the removed link still makes calls")
	}
	pool.Close()
	if _, err := pool.Ensure(t.Context(), clusterAt("127.0.0.1:1")); !errors.Is(err, crmclient.ErrNoLink) {
		t.Errorf("a closed pool gave %v, want ErrNoLink", err)
	}
}
