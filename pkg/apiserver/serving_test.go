// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"oaas.io/oaas/pkg/generated/clientset/versioned"
	"oaas.io/oaas/pkg/pki"
)

// shown is the certificate that a server shows to a new connection.
func shown(t *testing.T, s *server, authority *pki.Authority) *x509.Certificate {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.Cert)
	address := must(url.Parse(s.config.Host))(t).Host
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "localhost"}}
	connection := must(dialer.DialContext(t.Context(), "tcp", address))(t)
	defer func() { _ = connection.Close() }()
	return connection.(*tls.Conn).ConnectionState().PeerCertificates[0]
}

func issueServing(t *testing.T, authority *pki.Authority) pki.Pair {
	t.Helper()
	return must(authority.Issue(pki.Request{User: "server", Hosts: []string{"localhost"}, Lifetime: time.Hour}, time.Now()))(t)
}

func raw(t *testing.T, pair pki.Pair) []byte {
	t.Helper()
	return must(tls.X509KeyPair(pair.Cert, pair.Key))(t).Certificate[0]
}

func TestServingCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	authority := newAuthority(t)
	first := issueServing(t, authority)
	if err := first.Write(certFile, keyFile); err != nil {
		t.Fatal(err)
	}
	s := runServer(t, dataFolder(t), func(o *Options) {
		o.SecureServing.ServerCert.CertKey.CertFile, o.SecureServing.ServerCert.CertKey.KeyFile = certFile, keyFile
	})
	if !bytes.Equal(shown(t, s, authority).Raw, raw(t, first)) {
		t.Fatal("the server does not show the certificate in the file")
	}
	watched := must(s.client.PmV1alpha1().Packages(namespace).Watch(t.Context(), metav1.ListOptions{}))(t)
	defer watched.Stop()

	// A pair that does not match, as there is between the writing of two files.
	second := issueServing(t, authority)
	writeFile(t, certFile, string(second.Cert))
	if !bytes.Equal(shown(t, s, authority).Raw, raw(t, first)) {
		t.Error("the server shows a certificate that has no key")
	}
	writeFile(t, keyFile, string(second.Key))
	waitFor(t, "a new connection sees the new certificate", func() bool {
		return bytes.Equal(shown(t, s, authority).Raw, raw(t, second))
	})
	// Connections that are open go on.
	must(s.client.PmV1alpha1().Packages(namespace).Create(t.Context(), echoPackage("rotated"), metav1.CreateOptions{}))(t)
	select {
	case event, open := <-watched.ResultChan():
		if !open {
			t.Errorf("the watch was ended with %v", event)
		}
	case <-time.After(readyWithin):
		t.Error("the watch hears nothing after the change")
	}
}

func TestClientAuthorityIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.crt")
	former, next := newAuthority(t), newAuthority(t)
	writeFile(t, file, string(former.Cert))
	s := runServer(t, dataFolder(t), func(o *Options) { o.Authentication.ClientCert.ClientCA = file })
	list := func(show func(*rest.Config)) error {
		client := versioned.NewForConfigOrDie(s.as(show))
		_, err := client.PmV1alpha1().Packages("").List(t.Context(), metav1.ListOptions{})
		return err
	}
	old, renewed := certificate(t, former, "root", "system:masters"), certificate(t, next, "root", "system:masters")
	if err := list(old); err != nil {
		t.Fatal(err)
	}
	if codeOf(list(renewed)) != 401 {
		t.Fatal("a client of another authority is let in")
	}
	// Both, while clients get new certificates, then the new one alone.
	writeFile(t, file, string(former.Cert)+string(next.Cert))
	waitFor(t, "clients of both authorities are let in", func() bool { return list(renewed) == nil && list(old) == nil })
	writeFile(t, file, string(next.Cert))
	waitFor(t, "clients of the former authority are turned away", func() bool { return codeOf(list(old)) == 401 && list(renewed) == nil })
}
