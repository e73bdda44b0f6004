// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	echoV1 = `
name: echo
version: 1.0
classes:
- key: Echo
  function_bindings:
  - {name: echo, function_key: Echo.echo}
  - {name: shout, function_key: Echo.echo}
functions:
- key: Echo.echo
  function_type: CUSTOM
  provision_config:
    container_image: registry.example/echo:1.0.0
  config:
    HTTP_PORT: 80
deployments:
- key: echo
  class_key: Echo
  nfr_requirements: {min_throughput_rps: 1500}
`
	quietFor = 3 * time.Second
)

// A package file becomes running pods; deploying it again changes nothing; a new
// image is rolled out in place; deleting leaves nothing behind.
func TestDeployFromPackageFile(t *testing.T) {
	namespace := newNamespace(t)

	output := mustOaas(t, echoV1, "deploy", "-f", "-", "-n", namespace, "--wait")
	for _, want := range []string{"package.pm.oaas.io/echo created", "classdeployment.pm.oaas.io/echo created", "echo"} {
		if !strings.Contains(output, want) {
			t.Errorf("%q is missing in:\n%s", want, output)
		}
	}
	deployment := waitAvailable(t, namespace, "echo")
	if len(deployment.Status.Units) != 1 || deployment.Status.Units[0].Cluster != "hub" {
		t.Fatalf("units are %+v, want one on hub", deployment.Status.Units)
	}
	workload := onlyDeployment(t, namespace)
	container := workload.Spec.Template.Spec.Containers[0]
	if container.Image != "registry.example/echo:1.0.0" {
		t.Errorf("the pods run %s", container.Image)
	}
	// Pods get ready after a deployment counts as available.
	eventually(t, "2 of 2 replicas to be available for 1,500 requests per second", func(context.Context) error {
		if now := onlyDeployment(t, namespace); *now.Spec.Replicas != 2 || now.Status.AvailableReplicas != 2 {
			return fmt.Errorf("%d of %d are", now.Status.AvailableReplicas, *now.Spec.Replicas)
		}
		return nil
	})
	env := map[string]string{}
	for _, variable := range container.Env {
		env[variable.Name] = variable.Value
	}
	if env["HTTP_PORT"] != "80" || env["FUNCTION_KEY"] != "Echo.echo" {
		t.Errorf("the containers get %v", env)
	}

	before := quietVersions(t, namespace)
	output = mustOaas(t, echoV1, "deploy", "-f", "-", "-n", namespace, "--wait")
	if !strings.Contains(output, "package.pm.oaas.io/echo unchanged") || !strings.Contains(output, "classdeployment.pm.oaas.io/echo unchanged") {
		t.Errorf("deploying the same file again printed:\n%s", output)
	}
	if after := quietVersions(t, namespace); !maps.Equal(before, after) {
		t.Errorf("deploying the same file again changed objects: %v became %v", before, after)
	}

	mustOaas(t, strings.Replace(echoV1, "echo:1.0.0", "echo:1.1.0", 1), "deploy", "-f", "-", "-n", namespace, "--wait")
	eventually(t, "the new image to be rolled out", func(context.Context) error {
		rolled := onlyDeployment(t, namespace)
		if rolled.UID != workload.UID {
			return fmt.Errorf("the workload was replaced")
		}
		if image := rolled.Spec.Template.Spec.Containers[0].Image; image != "registry.example/echo:1.1.0" {
			return fmt.Errorf("the pods run %s", image)
		}
		if rolled.Status.UpdatedReplicas != 2 || rolled.Status.AvailableReplicas != 2 {
			return fmt.Errorf("%d replicas are updated, %d available", rolled.Status.UpdatedReplicas, rolled.Status.AvailableReplicas)
		}
		return nil
	})

	mustOaas(t, echoV1, "delete", "-f", "-", "-n", namespace, "--wait")
	eventually(t, "nothing to be left", func(ctx context.Context) error {
		left, err := leftovers(ctx, hub, namespace)
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("%v are left", left)
		}
		return err
	})
	_, err := hub.oaas.PmV1alpha1().ClassDeployments(namespace).Get(t.Context(), "echo", metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("the class deployment is still there: %v", err)
	}
}

// The same in manifest form, and repaired when somebody edits or deletes what
// was made.
func TestDeployFromManifestIsRepaired(t *testing.T) {
	namespace := newNamespace(t)
	mustKubectl(t, shopPackage+"---\n"+cartDeployment, "apply", "-n", namespace, "-f", "-")
	waitAvailable(t, namespace, "cart")
	workload := onlyDeployment(t, namespace)

	mustKubectl(t, "", "set", "image", "deployment/"+workload.Name, "*=registry.example/other:9", "-n", namespace)
	eventually(t, "the edited image to be repaired", func(context.Context) error {
		if image := onlyDeployment(t, namespace).Spec.Template.Spec.Containers[0].Image; image != "registry.example/cart:1.0.0" {
			return fmt.Errorf("the pods run %s", image)
		}
		return nil
	})
	mustKubectl(t, "", "delete", "deployment", workload.Name, "-n", namespace)
	eventually(t, "the deleted workload to be made again", func(ctx context.Context) error {
		list, err := hub.kube.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		if len(list.Items) != 1 || list.Items[0].UID == workload.UID {
			return fmt.Errorf("there are %d deployments", len(list.Items))
		}
		return nil
	})
	waitAvailable(t, namespace, "cart")
}

// A class deployment that waits for its package starts when the package comes.
func TestDeploymentBeforePackage(t *testing.T) {
	namespace := newNamespace(t)
	mustKubectl(t, cartDeployment, "apply", "-n", namespace, "-f", "-")
	eventually(t, "the missing package to be named", func(ctx context.Context) error {
		found, err := hub.oaas.PmV1alpha1().ClassDeployments(namespace).Get(ctx, "cart", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if err := hasCondition(found.Status.Conditions, "Planned", metav1.ConditionFalse); err != nil {
			return err
		}
		for _, condition := range found.Status.Conditions {
			if condition.Type == "Planned" && strings.Contains(condition.Message, "shop") {
				return nil
			}
		}
		return errors.New("the condition does not name the package")
	})
	mustKubectl(t, shopPackage, "apply", "-n", namespace, "-f", "-")
	waitAvailable(t, namespace, "cart")
}

func onlyDeployment(t *testing.T, namespace string) *appsv1.Deployment {
	t.Helper()
	list, err := hub.kube.AppsV1().Deployments(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 {
		t.Fatalf("there are %d deployments, want one", len(list.Items))
	}
	return &list.Items[0]
}

// quietVersions returns the versions of all objects once they stopped changing:
// pods get ready after a deployment counts as available.
func quietVersions(t *testing.T, namespace string) map[string]string {
	t.Helper()
	last, since := versions(t, namespace), time.Now()
	eventually(t, "objects to stop changing", func(context.Context) error {
		now := versions(t, namespace)
		if !maps.Equal(last, now) {
			last, since = now, time.Now()
		}
		if quiet := time.Since(since); quiet < quietFor {
			return fmt.Errorf("nothing changed for %s only", quiet)
		}
		return nil
	})
	return last
}
