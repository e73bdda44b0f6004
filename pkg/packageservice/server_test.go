// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packageservice

import (
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"oaas.io/oaas/pkg/pki"
)

func TestTheCertificateIsReadAgainWhenItChanges(t *testing.T) {
	issue := func(user string) pki.Pair {
		pair, err := serving.Issue(pki.Request{User: user, Hosts: []string{"pm"}}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return pair
	}
	var current pki.Pair
	config := tlsConfig(&tls.Config{MinVersion: tls.VersionTLS13}, func() ([]byte, []byte) { return current.Cert, current.Key })
	if config.MinVersion != tls.VersionTLS13 || config.ClientAuth != tls.RequestClientCert {
		t.Errorf("config = %+v, want the settings given and a question for the caller's certificate", config)
	}
	if _, err := config.GetCertificate(nil); !errors.Is(err, errNoCertificate) {
		t.Errorf("before there is one: err = %v", err)
	}
	for _, user := range []string{"first", "second"} {
		current = issue(user)
		shown, err := config.GetCertificate(nil)
		if err != nil || shown.Leaf.Subject.CommonName != user {
			t.Fatalf("shown is %v, %v; want the certificate of %s", shown, err, user)
		}
		again, err := config.GetCertificate(nil)
		if err != nil || again != shown {
			t.Errorf("an unchanged certificate was read again: %v", err)
		}
	}
	current.Key = []byte("torn")
	if _, err := config.GetCertificate(nil); err == nil {
		t.Error("a certificate without its key was shown")
	}
}
