// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/hack/localcluster/cluster"
)

// joinsMember adds a second cluster as its user would. This machine can be the
// node of one cluster only, so the second one has simulated nodes, and its Class
// Runtime Manager runs beside it: with the identity, the rights and the
// certificates that the installation made there.
func joinsMember(t *testing.T, hub *site) {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Options{Name: "west", Progress: steps()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	west := newSite(t, c)
	address, _, err := net.SplitHostPort(strings.TrimPrefix(hub.cluster.RESTConfig().Host, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	port, err := cluster.FreePort(address)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := net.JoinHostPort(address, strconv.Itoa(port))
	dir := t.TempDir()

	hub.must(t, "", "kubectl get secret -n "+system+` oaas-ca -o jsonpath='{.data.tls\.crt}' | base64 -d > `+dir+"/hub.crt")
	manifest := west.must(t, "", "go run ./hack/install --member --name west --environments edge --endpoint "+endpoint+" --package-manager-ca "+dir+"/hub.crt")
	startRuntimeManager(t, west, dir, endpoint)
	hub.must(t, manifest, "kubectl apply -f -")
	hub.must(t, "", "kubectl wait cluster.pm.oaas.io/west --for=condition=Ready --timeout=180s")

	const namespace = "member"
	hub.newNamespace(t, namespace)
	west.newNamespace(t, namespace)
	there := strings.Replace(hub.example(t, "echo.yaml"), "class_key: Echo\n", "class_key: Echo\n    target_envs: [edge]\n    target_clusters: [west]\n", 1)
	hub.must(t, there, "kubectl oaas deploy --wait -n "+namespace+" -f -")
	if err := west.runs(t.Context(), namespace, "edge", "Echo.echo"); err != nil {
		t.Error(err)
	}
	if err := hub.leftovers(t.Context(), namespace); err != nil {
		t.Errorf("on the hub, where nothing was to be deployed, %v", err)
	}
	if message := west.refused(t, "", "go run ./hack/install --uninstall"); !strings.Contains(message, "deployment records") {
		t.Errorf("the refusal does not tell of the records: %s", message)
	}
	hub.must(t, there, "kubectl oaas delete --wait -n "+namespace+" -f -")
	hub.must(t, "", "kubectl delete cluster.pm.oaas.io west")
	west.must(t, "", "go run ./hack/install --uninstall")
	if _, err := west.run(t.Context(), "", "kubectl get namespace "+system); err == nil {
		t.Errorf("namespace %s is still there", system)
	}
}

// startRuntimeManager runs the program that the installation on a cluster put
// into pods which only pretend to run.
func startRuntimeManager(t *testing.T, s *site, dir, endpoint string) {
	t.Helper()
	secret, err := s.kube.CoreV1().Secrets(system).Get(t.Context(), "oaas-crm-tls", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range secret.Data {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const accounts = "system:serviceaccounts"
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := s.cluster.WriteKubeconfig(kubeconfig, "system:serviceaccount:"+system+":oaas-crm", accounts, accounts+":"+system); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "crm.log"))
	if err != nil {
		t.Fatal(err)
	}
	// The lease would be looked for in the namespace of the pod that it is not in.
	cmd := exec.CommandContext(t.Context(), filepath.Join(s.root, "bin", "crm"), "--kubeconfig="+kubeconfig, "--leader-election=false")
	cmd.Env = append(os.Environ(),
		"OPRC_CRM_PROFILE=full",
		"OPRC_CRM_FEATURES_PROMETHEUS=false",
		"OPRC_CRM_GRPC_ADDRESS="+endpoint,
		"OPRC_CRM_METRICS_ADDRESS=0",
		"OPRC_CRM_HEALTH_ADDRESS=0",
		"OPRC_CRM_SECURITY_TLS_CERT_FILE="+filepath.Join(dir, "tls.crt"),
		"OPRC_CRM_SECURITY_TLS_KEY_FILE="+filepath.Join(dir, "tls.key"),
		"OPRC_CRM_SECURITY_CLIENT_CA_FILE="+filepath.Join(dir, "ca.crt"))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if content, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s", content)
		}
		_ = log.Close()
	})
	eventually(t, "the Class Runtime Manager of west to listen", func(ctx context.Context) error {
		connection, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", endpoint)
		if err != nil {
			return fmt.Errorf("dialing: %w", err)
		}
		return connection.Close()
	})
}
