// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"oaas.io/oaas/pkg/pki"
)

func TestIssuedCertificates(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	ca, err := pki.NewAuthority("test", now, 2*pki.Lifetime)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := pki.NewAuthority("test", now, 2*pki.Lifetime)
	if err != nil {
		t.Fatal(err)
	}
	server := pki.Request{User: "server", Hosts: []string{"localhost", "127.0.0.1"}}
	client := pki.Request{User: "jane", Groups: []string{"developers"}, Client: true}

	for name, test := range map[string]struct {
		request pki.Request
		at      time.Time
		roots   *pki.Authority
		usage   x509.ExtKeyUsage
		host    string
		refused bool
	}{
		"a server is known by its name":                 {request: server, usage: x509.ExtKeyUsageServerAuth, host: "localhost"},
		"a server is known by its address":              {request: server, usage: x509.ExtKeyUsageServerAuth, host: "127.0.0.1"},
		"a server is not known by another name":         {request: server, usage: x509.ExtKeyUsageServerAuth, host: "example.com", refused: true},
		"a server's certificate does not make a client": {request: server, usage: x509.ExtKeyUsageClientAuth, refused: true},
		"a client's certificate does not serve":         {request: client, usage: x509.ExtKeyUsageServerAuth, refused: true},
		"a client is accepted":                          {request: client, usage: x509.ExtKeyUsageClientAuth},
		"a client with a slow clock accepts it":         {request: client, usage: x509.ExtKeyUsageClientAuth, at: now.Add(-30 * time.Minute)},
		"it lasts a year":                               {request: client, usage: x509.ExtKeyUsageClientAuth, at: now.Add(pki.Lifetime - time.Minute)},
		"it ends after a year":                          {request: client, usage: x509.ExtKeyUsageClientAuth, at: now.Add(pki.Lifetime + time.Minute), refused: true},
		"another authority of the same name is refused": {request: client, usage: x509.ExtKeyUsageClientAuth, roots: stranger, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			pair, err := ca.Issue(test.request, now)
			if err != nil {
				t.Fatal(err)
			}
			cert := parse(t, pair.Cert)
			if cert.Subject.CommonName != test.request.User || !slices.Equal(cert.Subject.Organization, test.request.Groups) {
				t.Errorf("it is for %v, want user %s in groups %v", cert.Subject, test.request.User, test.request.Groups)
			}
			roots := x509.NewCertPool()
			if test.roots == nil {
				test.roots = ca
			}
			roots.AppendCertsFromPEM(test.roots.Cert)
			if test.at.IsZero() {
				test.at = now
			}
			_, err = cert.Verify(x509.VerifyOptions{
				Roots: roots, CurrentTime: test.at, DNSName: test.host, KeyUsages: []x509.ExtKeyUsage{test.usage},
			})
			if (err != nil) != test.refused {
				t.Errorf("verifying it: %v, want refused: %t", err, test.refused)
			}
		})
	}
}

func TestACertificateForNothingIsRefused(t *testing.T) {
	ca, err := pki.NewAuthority("test", time.Now(), pki.Lifetime)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.Issue(pki.Request{User: "nobody"}, time.Now()); err == nil {
		t.Error("a certificate without any use was issued")
	}
}

func TestAStoredAuthoritySignsOn(t *testing.T) {
	now := time.Now()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key")
	ca, err := pki.NewAuthority("test", now, 2*pki.Lifetime)
	if err != nil {
		t.Fatal(err)
	}
	if err := ca.Write(cert, key); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the private key is readable by others: %v, %v", info, err)
	}
	if end, err := pki.ExpiresAt(cert); err != nil || end.Sub(now.Add(2*pki.Lifetime)).Abs() > time.Second {
		t.Errorf("it expires at %v, %v", end, err)
	}
	loaded, err := pki.LoadAuthority(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := loaded.Issue(pki.Request{User: "jane", Client: true}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := parse(t, pair.Cert).CheckSignatureFrom(parse(t, ca.Cert)); err != nil {
		t.Error(err)
	}
}

func TestNoCertificateOutlivesItsAuthority(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	ca, err := pki.NewAuthority("test", now, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if !ca.Made().Equal(now) {
		t.Errorf("it was made at %s, want %s", ca.Made(), now)
	}
	for name, test := range map[string]struct{ lifetime, want time.Duration }{
		"a short life is as asked for":          {lifetime: time.Hour, want: time.Hour},
		"a long life ends with the authority's": {lifetime: 48 * time.Hour, want: 24 * time.Hour},
		"so does the usual one":                 {want: 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			pair, err := ca.Issue(pki.Request{User: "jane", Client: true, Lifetime: test.lifetime}, now)
			if err != nil {
				t.Fatal(err)
			}
			if end := parse(t, pair.Cert).NotAfter; !end.Equal(now.Add(test.want)) {
				t.Errorf("it ends at %s, want %s", end, now.Add(test.want))
			}
		})
	}
}

func TestServes(t *testing.T) {
	now := time.Now()
	newAuthority := func() *pki.Authority {
		ca, err := pki.NewAuthority("test", now, 2*pki.Lifetime)
		if err != nil {
			t.Fatal(err)
		}
		return ca
	}
	ca, stranger := newAuthority(), newAuthority()
	request := pki.Request{User: "server", Hosts: []string{"server.example"}}
	for name, test := range map[string]struct {
		by     *pki.Authority
		issued pki.Request
		until  time.Time
		want   bool
	}{
		"what was issued for the request":       {by: ca, issued: request, until: now, want: true},
		"what ends too early":                   {by: ca, issued: request, until: now.Add(pki.Lifetime + time.Hour)},
		"what another authority issued":         {by: stranger, issued: request, until: now},
		"what lacks a host":                     {by: ca, issued: pki.Request{User: "server", Hosts: []string{"other.example"}}, until: now},
		"what is for somebody else":             {by: ca, issued: pki.Request{User: "other", Hosts: request.Hosts}, until: now},
		"what is for a client and not a server": {by: ca, issued: pki.Request{User: "server", Client: true}, until: now},
	} {
		t.Run(name, func(t *testing.T) {
			pair, err := test.by.Issue(test.issued, now)
			if err != nil {
				t.Fatal(err)
			}
			if got := ca.Serves(pair, request, test.until); got != test.want {
				t.Errorf("serves: %t, want %t", got, test.want)
			}
		})
	}
	if ca.Serves(pki.Pair{}, request, now) {
		t.Error("nothing at all serves")
	}
}

func parse(t *testing.T, content []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(content)
	if block == nil {
		t.Fatalf("no PEM in %q", content)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
