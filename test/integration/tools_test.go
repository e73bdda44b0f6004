// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/dynamic"
	kubectlcmd "k8s.io/kubectl/pkg/cmd"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"

	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

const (
	// soon bounds what takes a second on a quiet machine.
	soon = 2 * time.Minute
	// describedWithin bounds what takes a second on a quiet machine, where
	// kube-apiserver waits a minute before it tries again.
	describedWithin = 2*time.Minute + soon
	// lookEvery is how often eventually looks again.
	lookEvery = 50 * time.Millisecond
)

// newNamespace makes a namespace that goes with the test.
func newNamespace(t *testing.T) string {
	t.Helper()
	ctx := context.Background()
	made, err := hub.kube.CoreV1().Namespaces().Create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "it-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("making a namespace: %v", err)
	}
	t.Cleanup(func() {
		if err := hub.kube.CoreV1().Namespaces().Delete(ctx, made.Name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("deleting namespace %s: %v", made.Name, err)
		}
	})
	return made.Name
}

// eventually fails the test unless check succeeds soon, with its last error.
func eventually(t *testing.T, what string, check func(ctx context.Context) error) {
	t.Helper()
	within(t, soon, what, check)
}

// within fails the test unless check succeeds in time, with its last error.
func within(t *testing.T, limit time.Duration, what string, check func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
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

// awaitDescription waits until kube-apiserver passes on how the Package Manager
// describes its resources, which kubectl explain reads. kube-apiserver looks for it
// once the API is registered, apart from whether the API answers already.
func awaitDescription(t *testing.T) {
	t.Helper()
	path := "apis/" + v1alpha1.SchemeGroupVersion.String()
	within(t, describedWithin, "OpenAPI to list "+path, func(context.Context) error {
		paths, err := hub.kube.Discovery().OpenAPIV3().Paths()
		if err != nil {
			return err
		}
		if _, listed := paths[path]; !listed {
			return fmt.Errorf("it lists %v", slices.Sorted(maps.Keys(paths)))
		}
		return nil
	})
}

// result is what a command printed and how it ended.
type result struct {
	stdout, stderr string
	err            error
}

// kubectlError carries what kubectl would print before it exits.
type kubectlError struct {
	message string
	code    int
}

func (f kubectlError) Error() string { return fmt.Sprintf("exit code %d: %s", f.code, f.message) }

// kubectlOnce serialises calls: kubectl reports a failure through a package
// variable.
var kubectlOnce sync.Mutex

// kubectl runs the real kubectl library in this process. It reads standard input
// from the process itself, so that "-f -" becomes a file.
func kubectl(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	if stdin != "" {
		dir, err := os.MkdirTemp("", "stdin-") //nolint:usetesting // t.TempDir has the test's name in it, and kubectl splits -f at commas
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		file := filepath.Join(dir, "stdin.yaml")
		if err := os.WriteFile(file, []byte(stdin), 0o600); err != nil {
			t.Fatal(err)
		}
		args = slices.Clone(args)
		args[slices.Index(args, "-")] = file
	}
	kubectlOnce.Lock()
	defer kubectlOnce.Unlock()
	defer cmdutil.DefaultBehaviorOnFatal()
	cmdutil.BehaviorOnFatal(func(message string, code int) { panic(kubectlError{message, code}) })

	var stdout, stderr bytes.Buffer
	streams := genericiooptions.IOStreams{In: strings.NewReader(""), Out: &stdout, ErrOut: &stderr}
	flags := genericclioptions.NewConfigFlags(true).WithDeprecatedPasswordFlag()
	command := kubectlcmd.NewKubectlCommand(kubectlcmd.KubectlOptions{IOStreams: streams, ConfigFlags: flags})
	command.SetArgs(append([]string{"--kubeconfig=" + hub.cluster.KubeconfigPath(), "--cache-dir=" + t.TempDir()}, args...))
	command.SetIn(streams.In)
	command.SetOut(&stdout)
	command.SetErr(&stderr)

	run := func() (err error) {
		defer func() {
			if caught := recover(); caught != nil {
				failure, ok := caught.(kubectlError)
				if !ok {
					panic(caught)
				}
				err = failure
			}
		}()
		return command.ExecuteContext(t.Context())
	}
	err := run()
	return result{stdout.String(), stderr.String(), err}
}

// transcript is what a program that still runs has written so far.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

// awaits waits until the text has been written.
func (s *transcript) awaits(t *testing.T, text string) {
	t.Helper()
	eventually(t, "the program writes "+text, func(context.Context) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !strings.Contains(s.text.String(), text) {
			return fmt.Errorf("it wrote:\n%s", s.text.String())
		}
		return nil
	})
}

// mustKubectl is kubectl where a failure is the test's.
func mustKubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	r := kubectl(t, stdin, args...)
	if r.err != nil {
		t.Fatalf("kubectl %s: %v\n%s%s", strings.Join(args, " "), r.err, r.stdout, r.stderr)
	}
	return r.stdout
}

// oaas runs the plugin's program, as kubectl would.
func oaas(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), filepath.Join(hub.platform.BinDir(), "kubectl-oaas"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+hub.cluster.KubeconfigPath())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	return result{stdout.String(), stderr.String(), err}
}

func mustOaas(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	r := oaas(t, stdin, args...)
	if r.err != nil {
		t.Fatalf("kubectl oaas %s: %v\n%s%s", strings.Join(args, " "), r.err, r.stdout, r.stderr)
	}
	return r.stdout
}

// exitCode is the code that a program ended with.
func exitCode(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

// hasCondition says what is wrong unless a condition has the given status.
func hasCondition(conditions []metav1.Condition, kind string, status metav1.ConditionStatus) error {
	found := apimeta.FindStatusCondition(conditions, kind)
	if found == nil {
		return fmt.Errorf("there is no condition %s among %v", kind, conditions)
	}
	if found.Status != status {
		return fmt.Errorf("condition %s is %s (%s: %s), want %s", kind, found.Status, found.Reason, found.Message, status)
	}
	return nil
}

// waitAvailable returns the class deployment once its current form is available.
func waitAvailable(t *testing.T, namespace, name string) *v1alpha1.ClassDeployment {
	t.Helper()
	var found *v1alpha1.ClassDeployment
	eventually(t, "class deployment "+name+" to be available", func(ctx context.Context) error {
		var err error
		if found, err = hub.oaas.PmV1alpha1().ClassDeployments(namespace).Get(ctx, name, metav1.GetOptions{}); err != nil {
			return err
		}
		if found.Status.ObservedGeneration != found.Generation {
			return fmt.Errorf("observed generation %d of %d", found.Status.ObservedGeneration, found.Generation)
		}
		return hasCondition(found.Status.Conditions, v1alpha1.ClassDeploymentAvailable, metav1.ConditionTrue)
	})
	return found
}

// leftovers lists the children of records in a namespace, and the records.
func leftovers(ctx context.Context, e *environment, namespace string) ([]string, error) {
	client, err := dynamic.NewForConfig(e.config)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, resource := range []schema.GroupVersionResource{
		{Group: "oaas.io", Version: "v1alpha1", Resource: "deploymentrecords"},
		{Group: "apps", Version: "v1", Resource: "deployments"},
		{Group: "apps", Version: "v1", Resource: "replicasets"},
		{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
		{Version: "v1", Resource: "services"},
		{Version: "v1", Resource: "pods"},
	} {
		list, err := client.Resource(resource).Namespace(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		for i := range list.Items {
			found = append(found, describe(&list.Items[i]))
		}
	}
	return found, nil
}

func describe(object *unstructured.Unstructured) string {
	return object.GetKind() + "/" + object.GetName()
}

// versions maps the objects that a deployment made to their resource versions.
func versions(t *testing.T, namespace string) map[string]string {
	t.Helper()
	client, err := dynamic.NewForConfig(hub.config)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, resource := range []schema.GroupVersionResource{
		{Group: "pm.oaas.io", Version: "v1alpha1", Resource: "packages"},
		{Group: "pm.oaas.io", Version: "v1alpha1", Resource: "classdeployments"},
		{Group: "oaas.io", Version: "v1alpha1", Resource: "deploymentrecords"},
		{Group: "apps", Version: "v1", Resource: "deployments"},
		{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
		{Version: "v1", Resource: "services"},
	} {
		list, err := client.Resource(resource).Namespace(namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatalf("listing %s: %v", resource.Resource, err)
		}
		for i := range list.Items {
			found[describe(&list.Items[i])] = list.Items[i].GetResourceVersion()
		}
	}
	return found
}

func asStatus(err error, target **apierrors.StatusError) bool { return errors.As(err, target) }
