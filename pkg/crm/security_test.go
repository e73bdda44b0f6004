// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	certutil "k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/crm/config"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

func TestMutualTLSAdmitsNamedCallersOnly(t *testing.T) {
	dir := t.TempDir()
	p := startProgram(t, withServingCertificate(t, dir), func(s *config.Config) {
		s.Security.MTLS = true
		s.Security.ClientCAFile = kube.CAPath()
	})
	cases := map[string]struct {
		user string
		code codes.Code
	}{
		"the Package Manager may call":               {user: "oaas-package-manager", code: codes.OK},
		"another name of the same authority may not": {user: "somebody-else", code: codes.PermissionDenied},
		"a caller without a certificate may not":     {code: codes.Unavailable},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tlsConfig := trusting(t)
			if tc.user != "" {
				tlsConfig.Certificates = []tls.Certificate{clientCertificate(t, dir, tc.user)}
			}
			conn := dial(t, p.settings.GRPCAddress, credentials.NewTLS(tlsConfig))
			if code := status.Code(list(t.Context(), conn)); code != tc.code {
				t.Errorf("code = %v, want %v", code, tc.code)
			}
		})
	}
}

func TestAuthoritiesOfCallersAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "clients.crt")
	other, _, err := certutil.GenerateSelfSignedCertKey("another-authority", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	write := func(content []byte) {
		if err := os.WriteFile(path+".new", content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write(other)
	p := startProgram(t, withServingCertificate(t, dir), func(s *config.Config) {
		s.Security.MTLS, s.Security.ClientCAFile = true, path
	})
	tlsConfig := trusting(t)
	tlsConfig.Certificates = []tls.Certificate{clientCertificate(t, dir, "oaas-package-manager")}
	conn := dial(t, p.settings.GRPCAddress, credentials.NewTLS(tlsConfig))
	if code := status.Code(list(t.Context(), conn)); code != codes.Unavailable {
		t.Fatalf("before: code = %v, want UNAVAILABLE", code)
	}

	authority, err := os.ReadFile(kube.CAPath())
	if err != nil {
		t.Fatal(err)
	}
	write(authority)
	eventually(t, "the new authority is trusted", func(ctx context.Context) error {
		conn.ResetConnectBackoff()
		return list(ctx, conn)
	})
}

func TestTokensAreCheckedByTheCluster(t *testing.T) {
	c := newClient(t)
	namespace := newNamespace(t, c)
	p := startProgram(t, withServingCertificate(t, t.TempDir()), func(s *config.Config) { s.Profile = config.ProfileEdge })
	conn := dial(t, p.settings.GRPCAddress, credentials.NewTLS(trusting(t)))

	tokenOf := func(name string) string {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
		if err := c.Create(t.Context(), account); err != nil {
			t.Fatal(err)
		}
		request := &authenticationv1.TokenRequest{}
		if err := c.SubResource("token").Create(t.Context(), account, request); err != nil {
			t.Fatal(err)
		}
		return request.Status.Token
	}
	reader := tokenOf("reader")
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: namespace},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"oaas.io"}, Resources: []string{"deploymentrecords"}, Verbs: []string{"get", "list"}}},
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: namespace},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "reader", Namespace: namespace}},
	}
	for _, object := range []client.Object{role, binding} {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}

	with := func(token string) context.Context {
		return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
	}
	eventually(t, "a reader may list", func(context.Context) error { return list(with(reader), conn) })
	_, err := deploymentv1.NewDeploymentServiceClient(conn).Deploy(with(reader), &deploymentv1.DeployRequest{Unit: newUnit(namespace)})
	if status.Code(err) != codes.PermissionDenied {
		t.Errorf("a reader's Deploy: err = %v, want PERMISSION_DENIED", err)
	}
	if err := list(with(tokenOf("nobody")), conn); status.Code(err) != codes.PermissionDenied {
		t.Errorf("without a role: err = %v, want PERMISSION_DENIED", err)
	}
	if err := list(with("made-up"), conn); status.Code(err) != codes.Unauthenticated {
		t.Errorf("with a made-up token: err = %v, want UNAUTHENTICATED", err)
	}
	if err := list(t.Context(), conn); status.Code(err) != codes.Unauthenticated {
		t.Errorf("without a token: err = %v, want UNAUTHENTICATED", err)
	}
	// A load balancer has no token.
	health, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{Service: "oaas.deployment.v1.DeploymentService"})
	if err != nil || health.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health = %v, %v", health, err)
	}
}

func TestPlainTextIsNotServedOverTLS(t *testing.T) {
	p := startProgram(t, withServingCertificate(t, t.TempDir()))
	if code := status.Code(list(t.Context(), dial(t, p.settings.GRPCAddress, insecure.NewCredentials()))); code != codes.Unavailable {
		t.Errorf("code = %v, want UNAVAILABLE", code)
	}
}

func withServingCertificate(t *testing.T, dir string) func(*config.Config) {
	t.Helper()
	return func(s *config.Config) {
		s.Security.TLSCertFile, s.Security.TLSKeyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
		if err := kube.IssueServingCert(s.Security.TLSCertFile, s.Security.TLSKeyFile, "127.0.0.1"); err != nil {
			t.Fatal(err)
		}
	}
}

// trusting is a client's configuration that trusts the cluster's authority.
func trusting(t *testing.T) *tls.Config {
	t.Helper()
	authority, err := os.ReadFile(kube.CAPath())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
}

// clientCertificate is one of the cluster's authority for any user.
func clientCertificate(t *testing.T, dir, user string) tls.Certificate {
	t.Helper()
	path := filepath.Join(dir, user+".kubeconfig")
	if err := kube.WriteKubeconfig(path, user); err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(kubeconfig.CertData, kubeconfig.KeyData)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func dial(t *testing.T, address string, transport credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(transport))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func list(ctx context.Context, conn *grpc.ClientConn) error {
	_, err := deploymentv1.NewDeploymentServiceClient(conn).ListDeploymentRecords(ctx, &deploymentv1.ListDeploymentRecordsRequest{})
	return err
}
