// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package harm tests that the Package Manager does no harm to the cluster that
// hosts it: with the server away, taken out, without a permission, or in the
// middle of a change of its certificate authority, everything else goes on.
package harm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"
	"k8s.io/utils/clock"

	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/hack/localcluster/progress"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
)

const (
	// soon bounds what takes seconds on a quiet machine; Kubernetes itself looks
	// again at a namespace that it could not empty after up to a minute.
	soon = 2 * time.Minute
	// apiService is the registration of the Package Manager.
	apiService = "v1alpha1." + v1alpha1.GroupName
	// lookEvery is how often eventually looks again.
	lookEvery = 100 * time.Millisecond
)

// hub is shared by the tests, which run one after the other.
var hub *environment

// environment is a cluster with the platform on it.
type environment struct {
	cluster  *cluster.Cluster
	platform *platform.Platform
	config   *rest.Config
	kube     kubernetes.Interface
	oaas     versioned.Interface
	registry aggregator.Interface
	kubectl  string
}

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	ctx := context.Background()
	steps := progress.NewWriter(os.Stderr, clock.RealClock{}, 30*time.Second)
	c, err := cluster.Start(ctx, cluster.Options{
		Name: "harm",
		// What happens while the server is away, or before the quota controller has
		// found its resources, is counted when quotas are counted anew, which
		// otherwise takes five minutes.
		ControllerManagerArgs: []string{"--resource-quota-sync-period=10s"},
		Progress:              steps,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "starting the cluster:", err)
		return 1
	}
	hub = &environment{cluster: c, config: c.RESTConfig()}
	defer func() {
		if err := hub.stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the platform:", err)
			code = 1
		}
	}()
	if err := hub.start(ctx, steps); err != nil {
		fmt.Fprintln(os.Stderr, "starting the platform:", err)
		return 1
	}
	return m.Run()
}

func (e *environment) start(ctx context.Context, steps progress.Reporter) (err error) {
	if e.kube, err = kubernetes.NewForConfig(e.config); err != nil {
		return err
	}
	if e.oaas, err = versioned.NewForConfig(e.config); err != nil {
		return err
	}
	if e.registry, err = aggregator.NewForConfig(e.config); err != nil {
		return err
	}
	programs, err := binaries.Ensure(ctx, binaries.Options{Progress: steps}, binaries.Kubectl)
	if err != nil {
		return err
	}
	e.kubectl = programs.Path(binaries.Kubectl)
	return e.install(ctx)
}

// install brings the platform to where it was installed and runs, from wherever
// a test left it. Arguments are for a server that does not run yet.
func (e *environment) install(ctx context.Context, arguments ...string) error {
	options := platform.Options{Hub: e.cluster, PackageManagerArgs: arguments}
	if e.platform != nil {
		options.BinDir = e.platform.BinDir()
	}
	started, err := platform.Start(ctx, options)
	if err == nil {
		e.platform = started
	}
	return err
}

func (e *environment) stop(ctx context.Context) error {
	var failure error
	if e.platform != nil {
		failure = e.platform.Stop(ctx)
	}
	return errors.Join(failure, e.cluster.Stop(ctx))
}

// restore has the platform as it was at the end of the test.
func restore(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		if err := hub.install(context.Background()); err != nil {
			t.Fatalf("the platform does not come back: %v", err)
		}
	})
}

// killServer ends the Package Manager without notice, and waits until
// kube-apiserver has found out.
func killServer(t *testing.T) {
	t.Helper()
	if err := hub.platform.Kill(t.Context(), platform.PackageManager); err != nil {
		t.Fatal(err)
	}
	eventually(t, "kube-apiserver to miss the server", func(ctx context.Context) error {
		found, err := hub.registry.ApiregistrationV1().APIServices().Get(ctx, apiService, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range found.Status.Conditions {
			if condition.Type == apiregistrationv1.Available && condition.Status == apiregistrationv1.ConditionFalse {
				return nil
			}
		}
		return fmt.Errorf("its conditions are %+v", found.Status.Conditions)
	})
}

func runServer(t *testing.T) {
	t.Helper()
	if err := hub.platform.Run(platform.PackageManager); err != nil {
		t.Fatal(err)
	}
	if err := hub.platform.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func deregister(t *testing.T) {
	t.Helper()
	if err := hub.registry.ApiregistrationV1().APIServices().Delete(t.Context(), apiService, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// newNamespace makes a namespace; it is deleted, if it is not by then, when the
// test is over.
func newNamespace(t *testing.T) string {
	t.Helper()
	made, err := hub.kube.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "harm-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("making a namespace: %v", err)
	}
	t.Cleanup(func() {
		_ = hub.kube.CoreV1().Namespaces().Delete(context.Background(), made.Name, metav1.DeleteOptions{})
	})
	return made.Name
}

// newPackage returns a package that depends on nothing.
func newPackage(name string, owners ...metav1.OwnerReference) *v1alpha1.Package {
	return &v1alpha1.Package{
		ObjectMeta: metav1.ObjectMeta{Name: name, OwnerReferences: owners},
		Spec:       v1alpha1.PackageSpec{Version: "1.0.0"},
	}
}

func createPackage(t *testing.T, namespace string, object *v1alpha1.Package) *v1alpha1.Package {
	t.Helper()
	made, err := hub.oaas.PmV1alpha1().Packages(namespace).Create(t.Context(), object, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// eventually fails the test unless check succeeds in time, with its last error.
func eventually(t *testing.T, what string, check func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var last error
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		// What was cut off by the end tells less than what came before.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waiting for %s: %v", what, last)
		case <-ticker.C:
		}
	}
}

// kubectl runs the program as an administrator of the cluster would.
func kubectl(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, failure bytes.Buffer
	cmd := exec.CommandContext(t.Context(), hub.kubectl, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+hub.cluster.KubeconfigPath(), "KUBECACHEDIR="+t.TempDir())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &failure
	err = cmd.Run()
	return out.String(), failure.String(), err
}
