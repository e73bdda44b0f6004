// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/internal/process"
)

// timeout of one wait; generous, because a machine that tests is busy.
const timeout = 2 * time.Minute

func TestTwoClustersAtOnce(t *testing.T) {
	base := t.TempDir()
	clusters := make([]*cluster.Cluster, 2)
	var group sync.WaitGroup
	for i := range clusters {
		group.Go(func() {
			name := fmt.Sprintf("twin-%d", i)
			c, err := cluster.Start(t.Context(), cluster.Options{Name: name, Dir: filepath.Join(base, name)})
			if err != nil {
				t.Errorf("starting %s: %v", name, err)
				return
			}
			clusters[i] = c
			t.Cleanup(func() { stopAndCheck(t, c) })
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}
	for _, c := range clusters {
		t.Run(c.Name(), func(t *testing.T) {
			status := c.Status(t.Context())
			if !status.Ready || status.ReadyNodes != cluster.DefaultNodes {
				t.Errorf("status is %+v, want ready with %d nodes", status, cluster.DefaultNodes)
			}
			client := clientFor(t, c)
			proxy, err := client.CoreV1().ConfigMaps("kube-system").Get(t.Context(), "extension-apiserver-authentication", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for _, key := range []string{"client-ca-file", "requestheader-client-ca-file", "requestheader-allowed-names"} {
				if proxy.Data[key] == "" {
					t.Errorf("an aggregated API server finds no %s in %v", key, proxy.Data)
				}
			}
			// The same name in both: the clusters share nothing.
			deployAndWait(t, client, "echo")
		})
	}
}

func TestStartRepairsWhatDied(t *testing.T) {
	o := cluster.Options{Name: "repair", Dir: filepath.Join(t.TempDir(), "repair"), Nodes: 1}
	first, err := cluster.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopAndCheck(t, first) })
	client := clientFor(t, first)
	deployAndWait(t, client, "before")

	again, err := cluster.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !again.WasRunning() {
		t.Error("a second start of a healthy cluster changed something")
	}

	before := first.Programs()
	killed, err := process.Identify(before["kube-apiserver"])
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Kill(t.Context(), killed); err != nil {
		t.Fatal(err)
	}
	if status := again.Status(t.Context()); status.Ready || status.Problem == "" {
		t.Errorf("status without an API server is %+v, want a problem", status)
	}

	repaired, err := cluster.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopAndCheck(t, repaired) })
	after := repaired.Programs()
	for _, program := range []string{"etcd", "kube-controller-manager", "kube-scheduler", "kwok"} {
		if before[program] != after[program] || after[program] == 0 {
			t.Errorf("%s had process id %d and has %d, want it left alone", program, before[program], after[program])
		}
	}
	if repaired.RESTConfig().Host != first.RESTConfig().Host {
		t.Errorf("the API server moved from %s to %s", first.RESTConfig().Host, repaired.RESTConfig().Host)
	}
	if _, err := client.AppsV1().Deployments("default").Get(t.Context(), "before", metav1.GetOptions{}); err != nil {
		t.Errorf("an object from before the crash: %v", err)
	}
	deployAndWait(t, client, "after")
}

func TestStartAfterTheMachineWentDownAndAnotherTookThePorts(t *testing.T) {
	o := cluster.Options{Name: "reborn", Dir: filepath.Join(t.TempDir(), "reborn"), Nodes: 2}
	first, err := cluster.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopAndCheck(t, first) })
	deployAndWait(t, clientFor(t, first), "before")
	for name, pid := range first.Programs() {
		id, err := process.Identify(pid)
		if err != nil {
			t.Fatal(err)
		}
		if err := process.Kill(t.Context(), id); err != nil {
			t.Fatalf("ending %s: %v", name, err)
		}
	}
	for _, url := range []string{first.EtcdEndpoint(), first.RESTConfig().Host} {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", strings.TrimPrefix(url, "https://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
	}

	// The number of nodes is not mentioned again.
	o.Nodes = 0
	second, err := cluster.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopAndCheck(t, second) })
	if first.EtcdEndpoint() == second.EtcdEndpoint() || first.RESTConfig().Host == second.RESTConfig().Host {
		t.Error("a port that another program listens on was taken")
	}
	if status := second.Status(t.Context()); !status.Ready || status.ReadyNodes != 2 {
		t.Errorf("status is %+v, want ready with the 2 nodes from before", status)
	}
	client := clientFor(t, second)
	if _, err := client.AppsV1().Deployments("default").Get(t.Context(), "before", metav1.GetOptions{}); err != nil {
		t.Errorf("an object from before: %v", err)
	}
	deployAndWait(t, client, "after")
}

func TestUsersAndServersGetCertificates(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Options{Nodes: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopAndCheck(t, c) })

	path := filepath.Join(t.TempDir(), "jane.kubeconfig")
	if err := c.WriteKubeconfig(path, "jane", "developers"); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	jane, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	review, err := jane.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if user := review.Status.UserInfo; user.Username != "jane" || !slices.Contains(user.Groups, "developers") {
		t.Errorf("the holder of the kubeconfig is %+v", user)
	}
	if _, err := jane.CoreV1().Secrets("kube-system").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("jane lists secrets: %v", err)
	}

	cert, key := filepath.Join(t.TempDir(), "tls.crt"), filepath.Join(t.TempDir(), "tls.key")
	if err := c.IssueServingCert(cert, key, "pm.example", "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(c.CAPath())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "pm.example"}); err != nil {
		t.Errorf("the serving certificate: %v", err)
	}
}

func TestStartRefusesAFolderOfOtherFiles(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "thesis.tex")
	if err := os.WriteFile(precious, []byte("years of work"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Start(t.Context(), cluster.Options{Dir: dir}); err == nil {
		t.Error("a cluster started in a folder that its stop would destroy")
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func TestAFailedStartLeavesNothingAndSaysWhy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "failing")
	_, err := cluster.Start(t.Context(), cluster.Options{Dir: dir, APIServerArgs: []string{"--no-such-flag"}})
	if err == nil {
		t.Fatal("started with a flag that does not exist")
	}
	for _, want := range []string{"kube-apiserver stopped", "unknown flag: --no-such-flag"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not contain %q", err, want)
		}
	}
	checkGone(t, dir, nil)
}

func deployAndWait(t *testing.T, client kubernetes.Interface, name string) {
	t.Helper()
	labels := map[string]string{"app": name}
	replicas := int32(2)
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "example.com/echo:1"}}},
			},
		},
	}
	if _, err := client.AppsV1().Deployments("default").Create(t.Context(), deployment, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	var last appsv1.DeploymentStatus
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, timeout, true, func(ctx context.Context) (bool, error) {
		got, err := client.AppsV1().Deployments("default").Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		last = got.Status
		return last.AvailableReplicas == replicas, nil
	})
	if err != nil {
		t.Fatalf("deployment %s did not get available: %v; status %+v", name, err, last)
	}
}

func clientFor(t *testing.T, c *cluster.Cluster) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func stopAndCheck(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	pids := c.Programs()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), timeout)
	defer cancel()
	if err := c.Stop(ctx); err != nil {
		t.Error(err)
	}
	checkGone(t, c.Dir(), pids)
	if err := c.Stop(ctx); err != nil {
		t.Errorf("stopping again: %v", err)
	}
}

func checkGone(t *testing.T, dir string, pids map[string]int) {
	t.Helper()
	for name, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s (process %d) is still there: %v", name, pid, err)
		}
	}
	for _, path := range []string{dir, dir + ".lock"} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
}
