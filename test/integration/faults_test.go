// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// A class deployment on a cluster that does not answer says so, and goes on when
// the cluster is back.
func TestUnreachableClusterIsToldAndRecovers(t *testing.T) {
	namespace := newNamespace(t)
	crm := platform.RuntimeManager("hub")
	if err := hub.platform.Kill(t.Context(), crm); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { restart(t, crm) })
	mustKubectl(t, shopPackage+"---\n"+cartDeployment, "apply", "-n", namespace, "-f", "-")
	eventually(t, "the cluster that is away to be named", func(ctx context.Context) error {
		found, err := hub.oaas.PmV1alpha1().ClassDeployments(namespace).Get(ctx, "cart", metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range found.Status.Conditions {
			concerns := condition.Type == v1alpha1.ClassDeploymentPlanned || condition.Type == v1alpha1.ClassDeploymentDispatched
			if concerns && condition.Status == metav1.ConditionFalse && strings.Contains(condition.Message, "hub") {
				return nil
			}
		}
		return fmt.Errorf("conditions are %+v", found.Status.Conditions)
	})
	restart(t, crm)
	waitAvailable(t, namespace, "cart")
}

// A cluster that takes connections and never answers does not hold up another.
func TestSilentClusterDoesNotBlockAnother(t *testing.T) {
	namespace := newNamespace(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // returns at once
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	clusters := hub.oaas.PmV1alpha1().Clusters()
	if _, err := clusters.Create(t.Context(), &v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "silent"},
		Spec:       v1alpha1.ClusterSpec{Endpoint: listener.Addr().String(), Timeout: &metav1.Duration{Duration: 2 * time.Second}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := clusters.Delete(context.Background(), "silent", metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	both := strings.Replace(cartDeployment, "classKey: Cart", "classKey: Cart\n  targetClusters: [hub, silent]", 1)
	alone := strings.Replace(cartDeployment, "name: cart", "name: alone", 1)
	mustKubectl(t, shopPackage+"---\n"+both+"---\n"+alone, "apply", "-n", namespace, "-f", "-")
	waitAvailable(t, namespace, "alone")
	eventually(t, "the unit on the cluster that answers to run", func(ctx context.Context) error {
		found, err := hub.oaas.PmV1alpha1().ClassDeployments(namespace).Get(ctx, "cart", metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, unit := range found.Status.Units {
			if unit.Cluster == "hub" && unit.Available {
				return nil
			}
		}
		return fmt.Errorf("units are %+v, conditions %+v", found.Status.Units, found.Status.Conditions)
	})
	// What is on the silent cluster cannot be confirmed gone; without its Cluster
	// object there is nobody left to ask.
	mustKubectl(t, "", "delete", "classdeployment", "cart", "-n", namespace, "--wait=false")
}

// Nothing that was accepted is lost when one of our programs is killed in the
// middle of a deployment: the end state is that of an undisturbed one.
func TestKilledProgramsLoseNothing(t *testing.T) {
	undisturbed := newNamespace(t)
	deployMany(t, undisturbed, nil)
	quietVersions(t, undisturbed)
	want := shapes(t, undisturbed)

	for _, victim := range []string{platform.PackageManager, platform.RuntimeManager("hub"), "kubectl-oaas"} {
		for _, delay := range []time.Duration{50 * time.Millisecond, 300 * time.Millisecond, 900 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s is killed %s into a deployment", victim, delay), func(t *testing.T) {
				namespace := newNamespace(t)
				deployMany(t, namespace, func(plugin *exec.Cmd) {
					time.Sleep(delay) // the moment of the kill is the point of the test
					if victim == "kubectl-oaas" {
						_ = plugin.Process.Kill()
						return
					}
					if err := hub.platform.Kill(t.Context(), victim); err != nil {
						t.Error(err)
					}
					restart(t, victim)
				})
				eventually(t, "the end state to be that of an undisturbed deployment", func(context.Context) error {
					if got := shapes(t, namespace); got != want {
						return fmt.Errorf("it is:\n%s\nwant:\n%s", got, want)
					}
					return nil
				})
				deleteMany(t, namespace, victim, delay)
			})
		}
	}
}

const crowd = 5

// crowdFile is a package with several classes, each deployed.
func crowdFile() string {
	var file strings.Builder
	file.WriteString("name: crowd\nversion: 1.0.0\nclasses:\n")
	for i := range crowd {
		fmt.Fprintf(&file, "- {key: C%d, function_bindings: [{name: run, function_key: f%d}]}\n", i, i)
	}
	file.WriteString("functions:\n")
	for i := range crowd {
		fmt.Fprintf(&file, "- {key: f%d, function_type: CUSTOM, provision_config: {container_image: 'registry.example/f:%d'}}\n", i, i)
	}
	file.WriteString("deployments:\n")
	for i := range crowd {
		fmt.Fprintf(&file, "- {key: c%d, class_key: C%d, nfr_requirements: {availability: 0.99}}\n", i, i)
	}
	return file.String()
}

// deployMany deploys the crowd, disturbs it, deploys again as a user or a GitOps
// tool would whose command failed, and waits until all are available.
func deployMany(t *testing.T, namespace string, disturb func(plugin *exec.Cmd)) {
	t.Helper()
	plugin := exec.CommandContext(t.Context(), filepath.Join(hub.platform.BinDir(), "kubectl-oaas"), "deploy", "-f", "-", "-n", namespace)
	plugin.Env = append(os.Environ(), "KUBECONFIG="+hub.cluster.KubeconfigPath())
	plugin.Stdin = strings.NewReader(crowdFile())
	var output bytes.Buffer
	plugin.Stdout, plugin.Stderr = &output, &output
	if err := plugin.Start(); err != nil {
		t.Fatal(err)
	}
	if disturb != nil {
		disturb(plugin)
	}
	if err := plugin.Wait(); err != nil {
		if disturb == nil {
			t.Fatalf("deploy: %v\n%s", err, output.String())
		}
		mustOaas(t, crowdFile(), "deploy", "-f", "-", "-n", namespace)
	}
	for i := range crowd {
		waitAvailable(t, namespace, fmt.Sprintf("c%d", i))
	}
}

func deleteMany(t *testing.T, namespace, victim string, delay time.Duration) {
	t.Helper()
	deployments := hub.oaas.PmV1alpha1().ClassDeployments(namespace)
	if err := deployments.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	if victim != "kubectl-oaas" {
		time.Sleep(delay / 3) // the moment of the kill is the point of the test
		if err := hub.platform.Kill(t.Context(), victim); err != nil {
			t.Fatal(err)
		}
		restart(t, victim)
	}
	eventually(t, "nothing to be left", func(ctx context.Context) error {
		left, err := leftovers(ctx, hub, namespace)
		if err != nil {
			return err
		}
		list, err := deployments.List(ctx, metav1.ListOptions{})
		if err == nil && len(left)+len(list.Items) > 0 {
			err = fmt.Errorf("%d class deployments and %v are left", len(list.Items), left)
		}
		return err
	})
}

// shapes describes what runs in a namespace, without what differs from one
// deployment to the next: names that depend on the namespace, uids, versions.
func shapes(t *testing.T, namespace string) string {
	t.Helper()
	var out strings.Builder
	classes, err := hub.oaas.PmV1alpha1().ClassDeployments(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range classes.Items {
		item := &classes.Items[i]
		fmt.Fprintf(&out, "%s: phase %s, %d units\n", item.Name, item.Status.Phase, len(item.Status.Units))
		for _, condition := range item.Status.Conditions {
			// Depends on how long the cluster has been measured.
			if condition.Type == v1alpha1.ClassDeploymentAvailabilityTarget {
				continue
			}
			fmt.Fprintf(&out, "  %s=%s\n", condition.Type, condition.Status)
		}
	}
	workloads, err := hub.kube.AppsV1().Deployments(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	byClass := map[string]string{}
	for i := range workloads.Items {
		item := &workloads.Items[i]
		byClass[item.Labels["oaas.io/class"]] += fmt.Sprintf("%s x%d ", item.Spec.Template.Spec.Containers[0].Image, *item.Spec.Replicas)
	}
	fmt.Fprintf(&out, "%v\n", byClass)
	services, err := hub.kube.CoreV1().Services(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&out, "%d services\n", len(services.Items))
	return out.String()
}

// restart starts a program and waits until the platform is whole again.
func restart(t *testing.T, name string) {
	t.Helper()
	if err := hub.platform.Run(name); err != nil {
		t.Fatal(err)
	}
	if err := hub.platform.Wait(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}
