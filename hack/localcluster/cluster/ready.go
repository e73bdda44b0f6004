// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	pollEvery = 50 * time.Millisecond
	// probeTimeout bounds one look at the cluster.
	probeTimeout = 5 * time.Second
)

// etcdHealthy asks etcd itself, since a bound port says little.
func (c *Cluster) etcdHealthy(ctx context.Context) error {
	files := c.EtcdTLS()
	ca, err := os.ReadFile(files.CA)
	if err != nil {
		return fmt.Errorf("reading etcd's certificate authority: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return fmt.Errorf("reading etcd's client certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12,
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.EtcdEndpoint()+"/health", nil)
	if err != nil {
		return fmt.Errorf("asking etcd for its health: %w", err)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("asking etcd for its health: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10)) // the status suffices
		return fmt.Errorf("etcd is not healthy: %s: %s", response.Status, body)
	}
	return nil
}

func (c *Cluster) client() (kubernetes.Interface, error) {
	config := c.RESTConfig()
	if config == nil {
		return nil, errors.New("the cluster has no kubeconfig yet: start it first")
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return client, nil
}

// apiServerReady includes etcd's health as the API server sees it.
func (c *Cluster) apiServerReady(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	body, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	if err == nil {
		return nil
	}
	if failed := failedChecks(string(body)); len(failed) > 0 {
		return fmt.Errorf("the API server is not ready for lack of %s", strings.Join(failed, ", "))
	}
	return fmt.Errorf("the API server is not ready: %w", err)
}

// failedChecks picks the names of failed checks from the body of /readyz, whose
// error would quote all of them.
func failedChecks(body string) []string {
	var failed []string
	for line := range strings.Lines(body) {
		if check, ok := strings.CutPrefix(line, "[-]"); ok {
			name, _, _ := strings.Cut(strings.TrimSpace(check), " ")
			failed = append(failed, name)
		}
	}
	return failed
}

// ready checks all that a user of a new cluster relies on, and names the first
// thing that is missing.
func (c *Cluster) ready(ctx context.Context, nodes int) error {
	if err := c.apiServerReady(ctx); err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	ready, err := readyNodes(ctx, client, c.clock.Now())
	if err != nil {
		return err
	}
	if ready < nodes {
		return fmt.Errorf("%d of %d simulated nodes are ready", ready, nodes)
	}
	// Pods cannot be created before their service account.
	if _, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{}); err != nil {
		return fmt.Errorf("the controller manager has not made the default service account: %w", err)
	}
	// Aggregated API servers read it at start and fail without.
	const authentication = "extension-apiserver-authentication"
	if _, err := client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, authentication, metav1.GetOptions{}); err != nil {
		if apierrors.IsNotFound(err) {
			return fmt.Errorf("the API server has not published how to authenticate its proxy: %w", err)
		}
		return fmt.Errorf("reading ConfigMap %s: %w", authentication, err)
	}
	return nil
}
