// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"

	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/hack/localcluster/progress"
	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
)

const (
	// soon bounds what takes seconds on a quiet machine.
	soon      = 3 * time.Minute
	lookEvery = 100 * time.Millisecond
	// testTimeout leaves room for the cold build of images.
	testTimeout = 20 * time.Minute
)

func steps() progress.Reporter {
	return progress.NewWriter(os.Stderr, clock.RealClock{}, 30*time.Second)
}

// site is a cluster as its user sees it.
type site struct {
	cluster *cluster.Cluster
	kube    kubernetes.Interface
	oaas    versioned.Interface
	dynamic dynamic.Interface
	// root is the repository, in which commands run.
	root string
	env  []string
}

func newSite(t *testing.T, c *cluster.Cluster) *site {
	t.Helper()
	root, err := binaries.RepositoryRoot()
	if err != nil {
		t.Fatal(err)
	}
	bin, err := platform.Build(t.Context(), steps())
	if err != nil {
		t.Fatal(err)
	}
	tools, err := binaries.Ensure(t.Context(), binaries.Options{Progress: steps()}, binaries.Kubectl)
	if err != nil {
		t.Fatal(err)
	}
	// kubectl finds its plugins on the PATH.
	path := strings.Join([]string{filepath.Dir(tools.Path(binaries.Kubectl)), bin, os.Getenv("PATH")}, string(os.PathListSeparator))
	s := &site{cluster: c, root: root, env: append(os.Environ(), "KUBECONFIG="+c.KubeconfigPath(), "PATH="+path)}
	config := c.RESTConfig()
	if s.kube, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if s.oaas, err = versioned.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if s.dynamic, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs a command line as a user types it in the repository, with the given
// standard input.
func (s *site) run(ctx context.Context, stdin, command string) (string, error) {
	cmd := exec.CommandContext(ctx, "bash", "-c", command)
	cmd.Dir, cmd.Env = s.root, s.env
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", command, err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// must is run where a failure is the test's.
func (s *site) must(t *testing.T, stdin, command string) string {
	t.Helper()
	start := time.Now()
	output, err := s.run(t.Context(), stdin, command)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %s", command, time.Since(start).Round(100*time.Millisecond))
	return output
}

// refused is run where success is the test's failure; it returns the message.
func (s *site) refused(t *testing.T, stdin, command string) string {
	t.Helper()
	output, err := s.run(t.Context(), stdin, command)
	if err == nil {
		t.Fatalf("%s was not refused, but printed:\n%s", command, output)
	}
	return err.Error()
}

// newNamespace makes a namespace that goes with the cluster.
func (s *site) newNamespace(t *testing.T, name string) string {
	t.Helper()
	_, err := s.kube.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("making namespace %s: %v", name, err)
	}
	return name
}

// example returns the content of a file of artifacts/examples.
func (s *site) example(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(s.root, "artifacts", "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// edit replaces the first old by new.
type edit struct{ old, new string }

// edited is a text after some edits, each of which must have changed it.
func edited(t *testing.T, text string, edits ...edit) string {
	t.Helper()
	for _, e := range edits {
		changed := strings.Replace(text, e.old, e.new, 1)
		if changed == text {
			t.Fatalf("there is no %q in\n%s", e.old, text)
		}
		text = changed
	}
	return text
}

// deployment returns a class deployment.
func (s *site) deployment(ctx context.Context, namespace, name string) (*pmv1alpha1.ClassDeployment, error) {
	found, err := s.oaas.PmV1alpha1().ClassDeployments(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading the class deployment: %w", err)
	}
	return found, nil
}

// hasCondition says what is wrong unless a condition has the given status.
func hasCondition(conditions []metav1.Condition, kind string, status metav1.ConditionStatus) error {
	found := apimeta.FindStatusCondition(conditions, kind)
	if found == nil {
		return fmt.Errorf("there is no condition %s", kind)
	}
	if found.Status != status {
		return fmt.Errorf("condition %s is %s (%s: %s), want %s", kind, found.Status, found.Reason, found.Message, status)
	}
	return nil
}

// leftovers tells of something that deployments have made and left in a namespace,
// other than the given kinds.
func (s *site) leftovers(ctx context.Context, namespace string, except ...string) error {
	for _, resource := range []schema.GroupVersionResource{
		{Group: "oaas.io", Version: "v1alpha1", Resource: "deploymentrecords"},
		{Group: "apps", Version: "v1", Resource: "deployments"},
		{Group: "apps", Version: "v1", Resource: "replicasets"},
		{Group: "apps", Version: "v1", Resource: "statefulsets"},
		{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
		{Version: "v1", Resource: "configmaps"},
		{Version: "v1", Resource: "persistentvolumeclaims"},
		{Version: "v1", Resource: "services"},
		{Version: "v1", Resource: "pods"},
	} {
		list, err := s.dynamic.Resource(resource).Namespace(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, object := range list.Items {
			// Kubernetes makes this one in every namespace.
			if object.GetName() == "kube-root-ca.crt" || slices.Contains(except, object.GetKind()) {
				continue
			}
			return fmt.Errorf("%s/%s is left", object.GetKind(), object.GetName())
		}
	}
	return nil
}

// eventually fails the test unless check succeeds in time, with its last error.
func eventually(t *testing.T, what string, check func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	start := time.Now()
	for {
		err := check(ctx)
		if err == nil {
			t.Logf("%s: %s", what, time.Since(start).Round(100*time.Millisecond))
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waiting for %s: %v", what, err)
		case <-ticker.C:
		}
	}
}
