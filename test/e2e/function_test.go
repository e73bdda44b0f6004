// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

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

	oaasv1alpha1 "oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// answer is what the function of the examples says.
type answer struct {
	Body         string
	Function     string
	DeploymentID string
	Hostname     string
}

// function is one that runs in a namespace.
type function struct {
	site      *site
	namespace string
	key       string
}

func (f function) selector() metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: oaasv1alpha1.LabelFunction + "=" + f.key}
}

// url leads to the function's Service by its cluster IP.
func (f function) url(ctx context.Context) (string, error) {
	services, err := f.site.kube.CoreV1().Services(f.namespace).List(ctx, f.selector())
	if err != nil {
		return "", fmt.Errorf("listing the services of %s: %w", f.key, err)
	}
	// One without an address is for replicas to find each other.
	addressed := slices.DeleteFunc(services.Items, func(s corev1.Service) bool { return s.Spec.ClusterIP == corev1.ClusterIPNone })
	if len(addressed) != 1 {
		return "", fmt.Errorf("function %s has %d services with an address, want one", f.key, len(addressed))
	}
	spec := addressed[0].Spec
	return "http://" + net.JoinHostPort(spec.ClusterIP, strconv.Itoa(int(spec.Ports[0].Port))), nil
}

// call sends a body and returns the answer.
func (f function) call(ctx context.Context, body string) (answer, error) {
	content, err := f.fetch(ctx, http.MethodPost, "/", body)
	if err != nil {
		return answer{}, err
	}
	var got answer
	if err := json.Unmarshal([]byte(content), &got); err != nil {
		return answer{}, fmt.Errorf("%s answered %q: %w", f.key, content, err)
	}
	if got.Body != body {
		return answer{}, fmt.Errorf("%s answered %+v, want the echo of %q", f.key, got, body)
	}
	return got, nil
}

func (f function) fetch(ctx context.Context, method, path, body string) (string, error) {
	url, err := f.url(ctx)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	// A connection of its own, so that it does not stick to a pod that ends.
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s: %s", url+path, response.Status, content)
	}
	return string(content), err
}

// mustAnswer calls the function and checks who answers.
func (f function) mustAnswer(t *testing.T, deploymentID string) {
	t.Helper()
	// kube-proxy learns of a ready pod a moment after the deployment does.
	eventually(t, f.key+" to answer at its cluster IP", func(ctx context.Context) error {
		got, err := f.call(ctx, "hello")
		if err != nil {
			return err
		}
		if got.Function != f.key || got.DeploymentID != deploymentID {
			t.Fatalf("%+v answered, want function %s of deployment %s", got, f.key, deploymentID)
		}
		return nil
	})
}

func (f function) workload(t *testing.T) *appsv1.Deployment {
	t.Helper()
	list, err := f.site.kube.AppsV1().Deployments(f.namespace).List(t.Context(), f.selector())
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 {
		t.Fatalf("function %s has %d workloads, want one", f.key, len(list.Items))
	}
	return &list.Items[0]
}

func (f function) pods(ctx context.Context) ([]corev1.Pod, error) {
	list, err := f.site.kube.CoreV1().Pods(f.namespace).List(ctx, f.selector())
	if err != nil {
		return nil, fmt.Errorf("listing the pods of %s: %w", f.key, err)
	}
	return list.Items, nil
}

// killProcess ends the program that runs in a pod, behind Kubernetes' back.
func killProcess(t *testing.T, pod *corev1.Pod, program string) {
	t.Helper()
	if err := syscall.Kill(processOf(t, pod, program), syscall.SIGKILL); err != nil {
		t.Fatalf("killing %s: %v", program, err)
	}
}

// processOf is the process of a program in a pod of the node.
func processOf(t *testing.T, pod *corev1.Pod, program string) int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name, err := os.ReadFile(file)
		if err != nil || strings.TrimSpace(string(name)) != program {
			continue // ended, or another program
		}
		groups, err := os.ReadFile(filepath.Join(filepath.Dir(file), "cgroup"))
		if err != nil || !strings.Contains(string(groups), "/oaas-node/") || !strings.Contains(string(groups), "pod"+string(pod.UID)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	t.Fatalf("no process %s runs in pod %s", program, pod.Name)
	return 0
}

func restarts(pod *corev1.Pod) int32 {
	var n int32
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		n += status.RestartCount
	}
	return n
}
