// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package harm

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	certutil "k8s.io/client-go/util/cert"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/pkg/apiserver/registration"
)

// Whoever changes what kube-apiserver trusts, it is put right again.
func TestTheRegistrationIsRepaired(t *testing.T) {
	restore(t)
	stranger, _, err := certutil.GenerateSelfSignedCertKey("stranger", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := mustRegistration(t).Spec.CABundle
	for name, change := range map[string]func(*apiregistrationv1.APIServiceSpec){
		"after it was emptied":              func(s *apiregistrationv1.APIServiceSpec) { s.CABundle = nil },
		"after it was filled by a stranger": func(s *apiregistrationv1.APIServiceSpec) { s.CABundle = stranger },
		"after verification was turned off": func(s *apiregistrationv1.APIServiceSpec) {
			s.CABundle, s.InsecureSkipTLSVerify = nil, true
		},
	} {
		t.Run(name, func(t *testing.T) {
			// The server may write it at the same moment.
			eventually(t, "the registration to be changed", func(ctx context.Context) error {
				found := mustRegistration(t)
				change(&found.Spec)
				_, err := hub.registry.ApiregistrationV1().APIServices().Update(ctx, found, metav1.UpdateOptions{})
				return err
			})
			eventually(t, "the registration to be repaired", func(context.Context) error {
				if spec := mustRegistration(t).Spec; spec.InsecureSkipTLSVerify || !bytes.Equal(spec.CABundle, want) {
					return fmt.Errorf("it has %d bytes of authorities, skips verification: %t", len(spec.CABundle), spec.InsecureSkipTLSVerify)
				}
				return nil
			})
		})
	}
	eventually(t, "packages to be served", func(ctx context.Context) error {
		_, err := hub.oaas.PmV1alpha1().Packages("").List(ctx, metav1.ListOptions{})
		return err
	})
}

// Without its Secret the server changes to another authority. Nobody notices,
// and it goes on serving through the connections that are open.
func TestAChangeOfTheAuthorityInterruptsNobody(t *testing.T) {
	restore(t)
	before := issuer(t, platform.PackageManager)
	pid := hub.platform.PID(platform.PackageManager)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	failed := make(chan error, 1)
	asked := 0
	go func() {
		defer close(failed)
		for ctx.Err() == nil {
			if _, err := hub.oaas.PmV1alpha1().Packages("").List(ctx, metav1.ListOptions{}); err != nil && ctx.Err() == nil {
				failed <- err
				return
			}
			asked++
		}
	}()
	err := hub.kube.CoreV1().Secrets(platform.Namespace).Delete(t.Context(), registration.SecretName, metav1.DeleteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a certificate by another authority to be served", func(context.Context) error {
		if issuer(t, platform.PackageManager) == before {
			return errors.New("it is still by " + before)
		}
		return nil
	})
	// For as long as kube-apiserver might need to stumble over it.
	for until := time.Now().Add(3 * time.Second); time.Now().Before(until) && ctx.Err() == nil; {
		if _, err := hub.oaas.PmV1alpha1().Packages("").List(ctx, metav1.ListOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := <-failed; err != nil {
		t.Errorf("a request failed after %d others: %v", asked, err)
	}
	if now := hub.platform.PID(platform.PackageManager); now != pid {
		t.Errorf("the server was restarted: process %d, before %d", now, pid)
	}
	authorities, err := certutil.ParseCertsPEM(mustRegistration(t).Spec.CABundle)
	if err != nil || len(authorities) != 2 {
		t.Errorf("%d authorities are trusted, want the old one for the certificates that may be left and the new one (%v)", len(authorities), err)
	}
}

func mustRegistration(t *testing.T) *apiregistrationv1.APIService {
	t.Helper()
	found, err := hub.registry.ApiregistrationV1().APIServices().Get(t.Context(), apiService, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// issuer returns the authority, PEM, that signed what a replica serves to somebody
// who trusts what kube-apiserver trusts.
func issuer(t *testing.T, replica string) string {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(mustRegistration(t).Spec.CABundle)
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Minute}, Config: &tls.Config{
		RootCAs: roots, ServerName: "oaas-apiserver." + platform.Namespace + ".svc", MinVersion: tls.VersionTLS12,
	}}
	connection, err := dialer.DialContext(t.Context(), "tcp", hub.platform.Address(replica))
	if err != nil {
		t.Fatalf("%s serves what kube-apiserver does not trust: %v", replica, err)
	}
	defer func() { _ = connection.Close() }()
	chain := connection.(*tls.Conn).ConnectionState().VerifiedChains[0]
	return string(pem.EncodeToMemory(&pem.Block{Type: certutil.CertificateBlockType, Bytes: chain[len(chain)-1].Raw}))
}
