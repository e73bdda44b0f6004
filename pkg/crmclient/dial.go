// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crmclient

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/retry"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// SecretReader reads the Secrets that clusters refer to.
type SecretReader interface {
	// ReadSecret returns the content of a Secret by key.
	ReadSecret(ctx context.Context, namespace, name string) (map[string][]byte, error)
}

// settings are all that a connection depends on. Other settings need another
// connection.
type settings struct {
	Endpoint string
	TLS      *pmv1alpha1.ClusterTLS
	Auth     pmv1alpha1.ClusterAuthType
	Secret   map[string][]byte
	Timeout  time.Duration
	Retries  int32
}

func newSettings(ctx context.Context, cluster *pmv1alpha1.Cluster, secrets SecretReader) (settings, error) {
	spec := &cluster.Spec
	s := settings{
		Endpoint: spec.Endpoint,
		TLS:      spec.TLS,
		Auth:     pmv1alpha1.ClusterAuthNone,
		Timeout:  pmv1alpha1.DefaultClusterTimeout,
		Retries:  pmv1alpha1.DefaultClusterRetryAttempts,
	}
	if spec.Timeout != nil && spec.Timeout.Duration > 0 {
		s.Timeout = spec.Timeout.Duration
	}
	if spec.RetryAttempts != nil {
		s.Retries = max(0, *spec.RetryAttempts)
	}
	if spec.Auth == nil || spec.Auth.Type == "" || spec.Auth.Type == pmv1alpha1.ClusterAuthNone {
		return s, nil
	}
	s.Auth = spec.Auth.Type
	if spec.TLS == nil {
		return settings{}, fmt.Errorf("spec.auth.type: %s needs spec.tls, so that the identity is only shown to the right server: add spec.tls", s.Auth)
	}
	ref := spec.Auth.SecretRef
	if ref == nil {
		return settings{}, fmt.Errorf("spec.auth.secretRef: %s needs a Secret: name one", s.Auth)
	}
	if secrets == nil {
		return settings{}, fmt.Errorf("spec.auth.secretRef: Secret %s/%s cannot be read: the Package Manager has no access to a cluster that holds Secrets", ref.Namespace, ref.Name)
	}
	content, err := secrets.ReadSecret(ctx, ref.Namespace, ref.Name)
	if err != nil {
		return settings{}, fmt.Errorf("spec.auth.secretRef: reading Secret %s/%s: %w", ref.Namespace, ref.Name, err)
	}
	s.Secret = map[string][]byte{}
	for _, key := range secretKeys(s.Auth) {
		if len(content[key]) == 0 {
			return settings{}, fmt.Errorf("spec.auth.secretRef: Secret %s/%s has no %q, which auth type %s needs: add it", ref.Namespace, ref.Name, key, s.Auth)
		}
		s.Secret[key] = content[key]
	}
	return s, nil
}

func secretKeys(auth pmv1alpha1.ClusterAuthType) []string {
	switch auth {
	case pmv1alpha1.ClusterAuthBearer:
		return []string{"token"}
	case pmv1alpha1.ClusterAuthBasic:
		return []string{"username", "password"}
	case pmv1alpha1.ClusterAuthCertificate:
		return []string{"tls.crt", "tls.key"}
	case pmv1alpha1.ClusterAuthNone:
		return nil
	default:
		return nil
	}
}

// fingerprint is the same for the same settings, and does not tell them.
func (s settings) fingerprint() (string, error) {
	encoded, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("encoding connection settings: %w", err)
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:]), nil
}

func (s settings) dial(opts Options) (*grpc.ClientConn, error) {
	transport, err := s.transport()
	if err != nil {
		return nil, err
	}
	dialOptions := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		// The default waits up to two minutes between attempts, which is how late
		// a cluster that is back would be noticed.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: opts.KeepaliveTime, Timeout: opts.KeepaliveTimeout}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(opts.MaxMessageBytes), grpc.MaxCallSendMsgSize(opts.MaxMessageBytes)),
		grpc.WithChainUnaryInterceptor(retry.UnaryClientInterceptor(
			// The library counts calls, the API counts repetitions.
			retry.WithMax(uint(s.Retries)+1),
			retry.WithCodes(codes.Unavailable, codes.Aborted),
			retry.WithBackoff(retry.BackoffExponentialWithJitterBounded(opts.RetryBackoff, 0.3, 20*opts.RetryBackoff)),
		)),
	}
	if header := s.authorization(); header != "" {
		dialOptions = append(dialOptions, grpc.WithPerRPCCredentials(authorization(header)))
	}
	connection, err := grpc.NewClient(s.Endpoint, dialOptions...)
	if err != nil {
		return nil, fmt.Errorf("spec.endpoint: %q: %w", s.Endpoint, err)
	}
	return connection, nil
}

func (s settings) transport() (credentials.TransportCredentials, error) {
	if s.TLS == nil {
		return insecure.NewCredentials(), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.TLS.ServerName}
	if len(s.TLS.CABundle) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(s.TLS.CABundle) {
			return nil, errors.New("spec.tls.caBundle: holds no PEM certificate")
		}
	}
	if s.Auth == pmv1alpha1.ClusterAuthCertificate {
		certificate, err := tls.X509KeyPair(s.Secret["tls.crt"], s.Secret["tls.key"])
		if err != nil {
			return nil, fmt.Errorf("spec.auth.secretRef: tls.crt and tls.key: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return credentials.NewTLS(config), nil
}

func (s settings) authorization() string {
	switch s.Auth {
	case pmv1alpha1.ClusterAuthBearer:
		return "Bearer " + strings.TrimSpace(string(s.Secret["token"]))
	case pmv1alpha1.ClusterAuthBasic:
		pair := string(s.Secret["username"]) + ":" + string(s.Secret["password"])
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
	case pmv1alpha1.ClusterAuthNone, pmv1alpha1.ClusterAuthCertificate:
		return ""
	default:
		return ""
	}
}

// authorization is the value of the authorization header of every call.
type authorization string

var _ credentials.PerRPCCredentials = authorization("")

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (a authorization) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": string(a)}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials: an identity
// never leaves in plain text.
func (a authorization) RequireTransportSecurity() bool { return true }
