// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"oaas.io/oaas/pkg/crm/config"
)

// keepaliveTime is how often a silent connection is checked, which is less than
// what the server allows.
const keepaliveTime = 30 * time.Second

// dial connects as the settings say. The authorities are read now; the certificate
// and the token whenever they are shown.
func dial(settings config.Report, security config.Security) (*grpc.ClientConn, error) {
	transport := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: settings.ServerName}
	if settings.CAFile != "" {
		content, err := os.ReadFile(settings.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read REPORT_CA_FILE: %w", err)
		}
		transport.RootCAs = x509.NewCertPool()
		if !transport.RootCAs.AppendCertsFromPEM(content) {
			return nil, fmt.Errorf("REPORT_CA_FILE %s holds no PEM certificate", settings.CAFile)
		}
	}
	options := []grpc.DialOption{
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTime / 3}),
	}
	if settings.TokenFile != "" {
		options = append(options, grpc.WithPerRPCCredentials(tokenFile(settings.TokenFile)))
	} else {
		certificate, key := cmp.Or(settings.CertFile, security.TLSCertFile), cmp.Or(settings.KeyFile, security.TLSKeyFile)
		transport.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(certificate, key)
			if err != nil {
				return nil, fmt.Errorf("read the certificate to report with: %w", err)
			}
			return &pair, nil
		}
	}
	connection, err := grpc.NewClient(settings.Endpoint, append(options, grpc.WithTransportCredentials(credentials.NewTLS(transport)))...)
	if err != nil {
		return nil, fmt.Errorf("REPORT_ENDPOINT %q: %w", settings.Endpoint, err)
	}
	return connection, nil
}

// tokenFile is the path of a bearer token, which kubelets renew.
type tokenFile string

var _ credentials.PerRPCCredentials = tokenFile("")

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (f tokenFile) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	token, err := os.ReadFile(string(f))
	if err != nil {
		return nil, fmt.Errorf("read REPORT_TOKEN_FILE: %w", err)
	}
	return map[string]string{"authorization": "Bearer " + strings.TrimSpace(string(token))}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (tokenFile) RequireTransportSecurity() bool { return true }
