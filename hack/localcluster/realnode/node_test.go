// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux && e2e

package realnode_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/image"
	"oaas.io/oaas/hack/localcluster/realnode"
)

func TestPodsRunAndAnswerAndNothingIsLeft(t *testing.T) {
	if err := realnode.Preflight(); err != nil {
		t.Skip(err)
	}
	if o, occupied, err := realnode.Occupied(); err != nil || occupied {
		t.Skipf("this machine is the real node of cluster %s in %s, and can be that of one cluster only (%v)", o.Cluster, o.ClusterDir, err)
	}
	// What a killed run left must not count as how this machine was before.
	if err := realnode.Leave(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	before := takeInventory(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()

	images, err := image.Build(ctx, image.Options{Dir: t.TempDir()}, image.Function())
	if err != nil {
		t.Fatal(err)
	}
	c := startCluster(t, ctx)
	node, err := realnode.Start(ctx, realnode.Options{Cluster: c, Images: images})
	if err != nil {
		t.Fatal(err)
	}
	// Also when the test fails half-way; the regular stop is checked below.
	t.Cleanup(func() {
		if err := node.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	client, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}

	service := createFunction(t, ctx, client)
	url := fmt.Sprintf("http://%s/", service.Spec.ClusterIP)
	hosts := map[string]bool{}
	poll(t, ctx, "both pods to answer at "+url, func() error {
		got, err := echo(ctx, url, "hello")
		if err != nil {
			return err
		}
		if got.Body != "hello" || got.Function != "echo" {
			t.Fatalf("the function answered %+v, want the echo of hello by function echo", got)
		}
		hosts[got.Hostname] = true
		if len(hosts) < 2 {
			return fmt.Errorf("only %v answered", hosts)
		}
		return nil
	})
	logs := checkLogs(t, ctx, client)
	t.Logf("logs of a pod through the API server: %.100s", logs)

	checkNames(t, ctx, client)
	checkRestart(t, ctx, client, url)
	node = checkRepair(t, ctx, c, node, url)

	running := node.Programs()
	if len(running) != 3 {
		t.Errorf("%v run, want containerd, kubelet and kube-proxy", running)
	}
	if err := node.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	// The kernel takes interfaces of ended pods away in its own time.
	poll(t, ctx, "this machine to be as it was", func() error { return before.diff(takeInventory(t)) })
}

func startCluster(t *testing.T, ctx context.Context) *cluster.Cluster {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cluster")
	address, err := realnode.Prepare(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := realnode.Leave(context.Background(), dir); err != nil {
			t.Error(err)
		}
	})
	c, err := cluster.Start(ctx, cluster.Options{
		Name: "real", Dir: dir, Nodes: -1, BindAddress: address, AdvertiseAddress: address,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

const app = "echo"

func createFunction(t *testing.T, ctx context.Context, client kubernetes.Interface) *corev1.Service {
	t.Helper()
	labels := map[string]string{"app": app}
	_, err := client.AppsV1().Deployments(metav1.NamespaceDefault).Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: app},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](2),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(true)},
					Containers: []corev1.Container{{
						Name:  app,
						Image: image.Function().Reference,
						Env:   []corev1.EnvVar{{Name: "FUNCTION_KEY", Value: app}},
						ReadinessProbe: &corev1.Probe{
							ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/readyz", Port: intstr.FromInt32(8080)}},
							PeriodSeconds: 1,
						},
					}},
				},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	service, err := client.CoreV1().Services(metav1.NamespaceDefault).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: app},
		Spec: corev1.ServiceSpec{
			Selector: labels,
			Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return service
}

// checkLogs reads a pod's log, which takes the way from the API server to
// kubelet.
func checkLogs(t *testing.T, ctx context.Context, client kubernetes.Interface) string {
	t.Helper()
	pod := functionPods(t, ctx, client)[0]
	logs, err := client.CoreV1().Pods(metav1.NamespaceDefault).GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(ctx)
	if err != nil {
		t.Fatalf("reading the log of a pod: %v", err)
	}
	if !strings.Contains(string(logs), "serving") {
		t.Errorf("the log of the function is %q, want it to say that it serves", logs)
	}
	return string(logs)
}

// checkNames asks the cluster's DNS server for the name of the Service. That it
// knows it shows that pods reach the API server, too.
func checkNames(t *testing.T, ctx context.Context, client kubernetes.Interface) {
	t.Helper()
	dns, err := client.CoreV1().Services(metav1.NamespaceSystem).Get(ctx, "kube-dns", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	service, err := client.CoreV1().Services(metav1.NamespaceDefault).Get(ctx, app, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(dns.Spec.ClusterIP, "53"))
	}}
	poll(t, ctx, "the name of the service to resolve", func() error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		got, err := resolver.LookupHost(ctx, app+".default.svc."+cluster.ClusterDomain+".")
		if err != nil {
			return err
		}
		if !slices.Contains(got, service.Spec.ClusterIP) {
			t.Fatalf("the service has the addresses %v, want %s", got, service.Spec.ClusterIP)
		}
		return nil
	})
}

// checkRestart kills the process of a container behind Kubernetes' back.
func checkRestart(t *testing.T, ctx context.Context, client kubernetes.Interface, url string) {
	t.Helper()
	if err := syscall.Kill(containerProcess(t), syscall.SIGKILL); err != nil {
		t.Fatalf("killing a container: %v", err)
	}
	poll(t, ctx, "the killed container to run again", func() error {
		for _, pod := range functionPods(t, ctx, client) {
			for _, status := range pod.Status.ContainerStatuses {
				if status.RestartCount > 0 && status.Ready {
					return nil
				}
			}
		}
		return fmt.Errorf("no container was restarted")
	})
	if _, err := echo(ctx, url, "again"); err != nil {
		t.Errorf("after the restart: %v", err)
	}
}

// checkRepair kills containerd, which a second start must make good: pods are
// run anew, and services lead to them.
func checkRepair(t *testing.T, ctx context.Context, c *cluster.Cluster, node *realnode.Node, url string) *realnode.Node {
	t.Helper()
	if err := syscall.Kill(node.Programs()["containerd"], syscall.SIGKILL); err != nil {
		t.Fatalf("killing containerd: %v", err)
	}
	images, err := image.Build(ctx, image.Options{Dir: t.TempDir()}, image.Function())
	if err != nil {
		t.Fatal(err)
	}
	repaired, err := realnode.Start(ctx, realnode.Options{Cluster: c, Images: images})
	if err != nil {
		t.Fatal(err)
	}
	poll(t, ctx, "the function to answer after a repair", func() error {
		_, err := echo(ctx, url, "again")
		return err
	})
	return repaired
}

// containerProcess returns the process id of a container of the function.
func containerProcess(t *testing.T) int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		dir := filepath.Dir(file)
		name, err := os.ReadFile(file)
		if err != nil || strings.TrimSpace(string(name)) != "function" {
			continue // ended, or another program
		}
		// One that runs in no pod is none of ours.
		groups, err := os.ReadFile(filepath.Join(dir, "cgroup"))
		if err != nil || !strings.Contains(string(groups), "/oaas-node/") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	t.Fatal("no process of the function runs in a pod")
	return 0
}

func functionPods(t *testing.T, ctx context.Context, client kubernetes.Interface) []corev1.Pod {
	t.Helper()
	pods, err := client.CoreV1().Pods(metav1.NamespaceDefault).List(ctx, metav1.ListOptions{LabelSelector: "app=" + app})
	if err != nil || len(pods.Items) == 0 {
		t.Fatalf("no pods of the function: %v", err)
	}
	return pods.Items
}

type answer struct{ Body, Function, Hostname string }

func echo(ctx context.Context, url, body string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	// A connection of its own each time, so that it may reach another pod.
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	var got answer
	if err := json.Unmarshal(content, &got); err != nil {
		return answer{}, fmt.Errorf("%s: %s: %w", response.Status, content, err)
	}
	return got, nil
}

func poll(t *testing.T, ctx context.Context, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	start := time.Now()
	for {
		err := check()
		if err == nil {
			t.Logf("%s took %s", what, time.Since(start).Round(time.Millisecond))
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waiting for %s: %v", what, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
