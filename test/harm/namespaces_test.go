// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package harm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// Kubernetes holds every namespace that it cannot look into. That is not ours to
// change; that it ends with the registration, and loses nothing, is.
func TestAKilledServerHoldsNamespacesUntilItIsDeregistered(t *testing.T) {
	restore(t)
	held, later, kept := newNamespace(t), newNamespace(t), newNamespace(t)
	createPackage(t, kept, newPackage("survivor"))
	killServer(t)

	deleteNamespace(t, held)
	expectHeld(t, held)
	deregister(t)
	expectGone(t, held)
	deleteNamespace(t, later)
	expectGone(t, later)

	if err := hub.install(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := hub.oaas.PmV1alpha1().Packages(kept).Get(t.Context(), "survivor", metav1.GetOptions{}); err != nil {
		t.Errorf("after the server is registered again: %v", err)
	}
}

func TestAServerThatComesBackLetsNamespacesGo(t *testing.T) {
	restore(t)
	namespace := newNamespace(t)
	createPackage(t, namespace, newPackage("inside"))
	killServer(t)
	deleteNamespace(t, namespace)
	expectHeld(t, namespace)

	runServer(t)
	expectGone(t, namespace)
	// What was in it is gone, too, and would not come back with a namespace of the
	// same name.
	if _, err := hub.kube.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	left, err := hub.oaas.PmV1alpha1().Packages(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(left.Items) > 0 {
		t.Errorf("%d packages are in the new namespace, %v", len(left.Items), err)
	}
}

// The uninstallation works with the server dead, and takes the registration away
// before anything else.
func TestUninstallWithADeadServerFreesNamespaces(t *testing.T) {
	restore(t)
	namespace := newNamespace(t)
	killServer(t)
	deleteNamespace(t, namespace)
	expectHeld(t, namespace)

	root, err := binaries.RepositoryRoot()
	if err != nil {
		t.Fatal(err)
	}
	install := exec.CommandContext(t.Context(), "go", "run", "./hack/install",
		"--kubeconfig", hub.cluster.KubeconfigPath(), "--uninstall", "--delete-deployments")
	install.Dir, install.Env = root, os.Environ()
	if output, err := install.CombinedOutput(); err != nil {
		t.Fatalf("uninstalling: %v\n%s", err, output)
	}
	expectGone(t, namespace)
	expectGone(t, platform.Namespace)
	// The Class Runtime Manager's credentials went with the installation.
	if err := hub.platform.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Everything that has nothing to do with the platform works while it is away.
func TestKubectlWorksWhileTheServerIsAway(t *testing.T) {
	restore(t)
	namespace := newNamespace(t)
	killServer(t)

	const deployment = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{
		"selector":{"matchLabels":{"app":"web"}},
		"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"registry.example/web:1"}]}}}}`
	for name, test := range map[string]struct {
		args  []string
		stdin string
		want  []string
		// complains is whether kubectl may say, by its exit code, that a part of the
		// answer is missing.
		complains bool
	}{
		"apply": {args: []string{"apply", "-f", "-"}, stdin: deployment, want: []string{"deployment.apps/web"}},
		"get all": {
			args: []string{"get", "all"}, want: []string{"deployment.apps/web"}, complains: true,
		},
		"api-resources": {
			args: []string{"api-resources"}, complains: true,
			want: []string{"deployments ", "configmaps ", "deploymentrecords ", "customresourcedefinitions "},
		},
		"get what the platform defines itself": {args: []string{"get", "deploymentrecords.oaas.io"}},
		"get configmaps":                       {args: []string{"get", "configmaps"}, want: []string{"kube-root-ca.crt"}},
		"auth can-i":                           {args: []string{"auth", "can-i", "create", "packages.pm.oaas.io"}, want: []string{"yes"}, complains: true},
		"explain":                              {args: []string{"explain", "deployment.spec"}, want: []string{"replicas"}},
	} {
		t.Run(name, func(t *testing.T) {
			if name != "apply" && test.stdin == "" {
				if _, _, err := kubectl(t, deployment, "-n", namespace, "apply", "-f", "-"); err != nil {
					t.Fatalf("applying a Deployment: %v", err)
				}
			}
			stdout, stderr, err := kubectl(t, test.stdin, append([]string{"-n", namespace}, test.args...)...)
			if err != nil && !test.complains {
				t.Errorf("%v: %s", err, stderr)
			}
			for _, want := range test.want {
				if !strings.Contains(stdout, want) {
					t.Errorf("%q is missing from %q (%s)", want, stdout, stderr)
				}
			}
		})
	}
	_, stderr, err := kubectl(t, "", "-n", namespace, "get", "packages.pm.oaas.io")
	if err == nil || stderr == "" {
		t.Error("a list of packages succeeds although nobody serves them")
	}
}

// A server starts and is ready whether or not it is registered.
func TestTheServerDoesNotWaitForItsRegistration(t *testing.T) {
	restore(t)
	killServer(t)
	deregister(t)
	if err := hub.platform.Run(platform.PackageManager); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server to be ready", func(ctx context.Context) error {
		_, err := ask(ctx, platform.PackageManager, "/readyz")
		return err
	})
	_, err := hub.registry.ApiregistrationV1().APIServices().Get(t.Context(), apiService, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("got %v: a server that was taken out registered itself again", err)
	}
}

func deleteNamespace(t *testing.T, name string) {
	t.Helper()
	if err := hub.kube.CoreV1().Namespaces().Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// expectHeld waits until Kubernetes says that it cannot look into a namespace.
func expectHeld(t *testing.T, name string) {
	t.Helper()
	eventually(t, "namespace "+name+" to be held", func(ctx context.Context) error {
		found, err := hub.kube.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			t.Fatalf("the namespace went although nobody looked for packages in it: %v", err)
		}
		for _, condition := range found.Status.Conditions {
			failed := condition.Type == corev1.NamespaceDeletionDiscoveryFailure || condition.Type == corev1.NamespaceDeletionContentFailure
			if failed && condition.Status == corev1.ConditionTrue && strings.Contains(condition.Message, v1alpha1.GroupName) {
				return nil
			}
		}
		return fmt.Errorf("its conditions are %+v", found.Status.Conditions)
	})
}

func expectGone(t *testing.T, name string) {
	t.Helper()
	eventually(t, "namespace "+name+" to go", func(ctx context.Context) error {
		found, err := hub.kube.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return err
		}
		return errors.Join(errors.New("it is still there"), fmt.Errorf("%+v", found.Status.Conditions))
	})
}
