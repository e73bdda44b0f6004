// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package platform

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/internal/process"
	"oaas.io/oaas/pkg/apiserver/registration"
)

const (
	// The identities under which the manifests of an installation run the
	// programs; here they hold a client certificate instead of a token, and the
	// same roles apply.
	packageManagerUser = "system:serviceaccount:" + Namespace + ":oaas-apiserver"
	runtimeManagerUser = "system:serviceaccount:" + Namespace + ":oaas-crm"
	serviceAccounts    = "system:serviceaccounts"

	// packageManagerName is the name that Class Runtime Managers know the Package
	// Manager by.
	packageManagerName = "oaas-package-manager"
	// serviceName is the Service by which kube-apiserver finds the Package Manager.
	serviceName = "oaas-apiserver"

	probeTimeout = 2 * time.Second
)

// declare describes the programs and finds those that run already.
func (p *Platform) declare() error {
	starter := process.NewStarter(p.options.Detached)
	for i := range p.options.Replicas {
		name := PackageManagerReplica(i)
		p.programs[name] = &program{
			name:     name,
			path:     filepath.Join(p.options.BinDir, "apiserver"),
			cluster:  p.options.Hub,
			starter:  starter,
			purposes: []string{servePort, reportPort},
			args:     p.packageManagerArgs,
			user:     packageManagerUser,
			ready:    packageManagerReady,
		}
	}
	for _, member := range p.options.Members {
		name := RuntimeManager(member.Name())
		if p.programs[name] != nil {
			return fmt.Errorf("two clusters are called %s: give each a name of its own", member.Name())
		}
		p.programs[name] = &program{
			name:     name,
			path:     filepath.Join(p.options.BinDir, "crm"),
			cluster:  member,
			starter:  starter,
			purposes: []string{servePort, metricsPort, healthPort},
			args:     p.runtimeManagerArgs,
			env:      p.runtimeManagerEnv,
			user:     runtimeManagerUser,
			ready:    runtimeManagerReady,
		}
	}
	for _, program := range p.programs {
		if err := program.load(); err != nil {
			return err
		}
	}
	return nil
}

func (p *Platform) packageManagerArgs(self *program) []string {
	hub := p.options.Hub
	etcd := hub.EtcdTLS()
	kubeconfig := self.file("kubeconfig")
	return append([]string{
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(self.ports[servePort]),
		"--managed-serving-certificate",
		"--grpc-bind-address=127.0.0.1",
		"--grpc-port=" + strconv.Itoa(self.ports[reportPort]),
		// People who try things out look at once.
		"--report-write-interval=1s",
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--etcd-servers=" + hub.EtcdEndpoint(),
		"--etcd-cafile=" + etcd.CA,
		"--etcd-certfile=" + etcd.Cert,
		"--etcd-keyfile=" + etcd.Key,
		// Alone, it need not wait for the lease of one that was killed.
		"--leader-elect=" + strconv.FormatBool(p.options.Replicas > 1),
	}, p.options.PackageManagerArgs...)
}

func packageManagerReady(ctx context.Context, p *program) error {
	ca, err := packageManagerCA(ctx, p.cluster)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return probe(ctx, "https://"+p.address(servePort)+"/readyz", &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
}

// packageManagerCA returns what the Package Manager's certificates are checked by.
func packageManagerCA(ctx context.Context, hub *cluster.Cluster) ([]byte, error) {
	client, err := kubernetes.NewForConfig(hub.RESTConfig())
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	secret, err := client.CoreV1().Secrets(Namespace).Get(ctx, registration.SecretName, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading the Package Manager's certificate authorities: %w", err)
	}
	return secret.Data[registration.CertificatesKey], nil
}

// Direct reaches a replica of the Package Manager itself, without kube-apiserver,
// as the user of a configuration for the hub.
func (p *Platform) Direct(ctx context.Context, replica string, user *rest.Config) (*rest.Config, error) {
	ca, err := packageManagerCA(ctx, p.options.Hub)
	if err != nil {
		return nil, err
	}
	config := rest.CopyConfig(user)
	config.Host = "https://" + p.Address(replica)
	config.CAFile, config.CAData = "", ca
	return config, nil
}

func (p *Platform) runtimeManagerArgs(self *program) []string {
	return append([]string{"--kubeconfig=" + self.file("kubeconfig"), "--leader-election=false"}, p.options.RuntimeManagerArgs...)
}

func (p *Platform) runtimeManagerEnv(self *program) []string {
	return []string{
		"OPRC_CRM_GRPC_ADDRESS=" + self.address(servePort),
		"OPRC_CRM_METRICS_ADDRESS=" + self.address(metricsPort),
		"OPRC_CRM_HEALTH_ADDRESS=" + self.address(healthPort),
		"OPRC_CRM_SECURITY_MTLS=true",
		"OPRC_CRM_SECURITY_TLS_CERT_FILE=" + self.file("serving.crt"),
		"OPRC_CRM_SECURITY_TLS_KEY_FILE=" + self.file("serving.key"),
		"OPRC_CRM_SECURITY_CLIENT_CA_FILE=" + p.options.Hub.CAPath(),
		"OPRC_CRM_SECURITY_ALLOWED_NAMES=" + packageManagerName,
		"OPRC_CRM_REPORT_ENDPOINT=" + p.programs[PackageManager].address(reportPort),
		"OPRC_CRM_REPORT_CLUSTER=" + self.cluster.Name(),
		"OPRC_CRM_REPORT_CA_FILE=" + self.file(packageManagerTrust),
		"OPRC_CRM_REPORT_SERVER_NAME=" + serviceName + "." + Namespace + ".svc",
	}
}

// packageManagerTrust is the file with what the Package Manager's certificates are
// checked by.
const packageManagerTrust = "package-manager-ca.crt"

// trustPackageManager lets the Class Runtime Managers report. They look for the
// file until it is there.
func (p *Platform) trustPackageManager(ctx context.Context) error {
	ca, err := packageManagerCA(ctx, p.options.Hub)
	if err != nil {
		return err
	}
	for _, member := range p.options.Members {
		path := p.programs[RuntimeManager(member.Name())].file(packageManagerTrust)
		if err := os.WriteFile(path, ca, 0o600); err != nil {
			return fmt.Errorf("writing what the Package Manager is known by: %w", err)
		}
	}
	return nil
}

func runtimeManagerReady(ctx context.Context, p *program) error {
	return probe(ctx, "http://"+p.address(healthPort)+"/readyz", nil)
}

func probe(ctx context.Context, url string, config *tls.Config) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("asking %s: %w", url, err)
	}
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("asking %s: %w", url, err)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return fmt.Errorf("asking %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s: %s", url, response.Status, body)
	}
	return nil
}

// issue writes the certificates and the kubeconfig of a program unless they are
// there.
func (p *Platform) issue(self *program) error {
	kubeconfig := unlessPresent(self.file("kubeconfig"), func() error {
		return self.cluster.WriteKubeconfig(self.file("kubeconfig"), self.user, serviceAccounts, serviceAccounts+":"+Namespace)
	})
	if self.user == packageManagerUser {
		// It issues its own serving certificate.
		return kubeconfig
	}
	return errors.Join(kubeconfig, unlessPresent(self.file("serving.key"), func() error {
		return self.cluster.IssueServingCert(self.file("serving.crt"), self.file("serving.key"), "localhost", "127.0.0.1")
	}))
}

func unlessPresent(path string, write func() error) error {
	if _, err := os.Stat(path); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return write()
}
