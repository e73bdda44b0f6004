// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"

	"oaas.io/oaas/pkg/crm/config"
)

// serverTLS holds the certificate that is shown and the authorities that are
// trusted.
type serverTLS struct {
	certificate *certwatcher.CertWatcher
	clientCAs   *x509.CertPool
}

// newServerTLS reads the files that the settings name; nil when they name none.
func newServerTLS(security config.Security) (*serverTLS, error) {
	if security.TLSCertFile == "" {
		return nil, nil
	}
	certificate, err := certwatcher.New(security.TLSCertFile, security.TLSKeyFile)
	if err != nil {
		return nil, fmt.Errorf("read SECURITY_TLS_CERT_FILE and SECURITY_TLS_KEY_FILE: %w", err)
	}
	s := &serverTLS{certificate: certificate}
	if security.MTLS {
		content, err := os.ReadFile(security.ClientCAFile)
		if err != nil {
			return nil, fmt.Errorf("read SECURITY_CLIENT_CA_FILE: %w", err)
		}
		s.clientCAs = x509.NewCertPool()
		if !s.clientCAs.AppendCertsFromPEM(content) {
			return nil, fmt.Errorf("SECURITY_CLIENT_CA_FILE %s holds no PEM certificate", security.ClientCAFile)
		}
	}
	return s, nil
}

func (s *serverTLS) config() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.certificate.GetCertificate}
	if s.clientCAs != nil {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, s.clientCAs
	}
	return c
}

// watch reads the certificate again when its files change.
func (s *serverTLS) watch(ctx context.Context, log logr.Logger) {
	if err := s.certificate.Start(ctx); err != nil {
		log.Error(err, "The certificate is no longer read again when it changes")
	}
}
