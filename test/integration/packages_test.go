// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// gallery needs images, which comes after it in the file, and deploys itself.
const galleryFile = `
apiVersion: pm.oaas.io/v1alpha1
kind: Package
metadata: {name: gallery}
spec:
  version: 1.0.0
  dependencies:
  - {name: images, version: ">=1 <2"}
  classes:
  - key: Picture
    functionBindings:
    - {name: show, functionKey: show}
    - {name: resize, functionKey: images.resize}
  functions:
  - {key: show, provision: {image: "registry.example/show:1.0.0"}}
  deployments:
  - name: wall
    spec: {classKey: Picture}
---
apiVersion: pm.oaas.io/v1alpha1
kind: Package
metadata: {name: images}
spec:
  version: 1.2.0
  functions:
  - {key: resize, provision: {image: "registry.example/resize:1.0.0"}}
---
deployments:
- {key: frame, package_name: gallery, class_key: Picture}
`

// Packages that need each other come from one file, tell about each other, and go
// in the reverse order, with what runs of them.
func TestPackagesThatDependOnEachOther(t *testing.T) {
	namespace := newNamespace(t)
	output := mustOaas(t, galleryFile, "deploy", "-f", "-", "-n", namespace, "--wait")
	for _, want := range []string{"package.pm.oaas.io/images created", "package.pm.oaas.io/gallery created", "classdeployment.pm.oaas.io/frame created", "wall"} {
		if !strings.Contains(output, want) {
			t.Errorf("%q is missing in:\n%s", want, output)
		}
	}
	wall := waitAvailable(t, namespace, "wall")
	if owner := metav1.GetControllerOf(wall); owner == nil || owner.Kind != "Package" || owner.Name != "gallery" {
		t.Errorf("the owners of wall are %+v, want the package", wall.OwnerReferences)
	}
	var keys []string
	for _, function := range wall.Status.Units[0].Functions {
		keys = append(keys, function.Key)
	}
	if strings.Join(keys, " ") != "images.resize show" {
		t.Errorf("the functions are %v, want the dependency's and the package's own", keys)
	}
	again := mustOaas(t, galleryFile, "deploy", "-f", "-", "-n", namespace, "--wait")
	if strings.Count(again, " unchanged") != 3 {
		t.Errorf("deploying the same file again printed:\n%s", again)
	}
	status := mustOaas(t, "", "status", "gallery", "-n", namespace)
	if !strings.Contains(status, "depends on package images >=1 <2 (is 1.2.0)") {
		t.Errorf("the status of gallery does not tell its dependency:\n%s", status)
	}
	eventually(t, "the status of images to tell who needs it", func(context.Context) error {
		if status := mustOaas(t, "", "status", "images", "-n", namespace); !strings.Contains(status, "needed by package gallery in version >=1 <2, which binds resize") {
			return fmt.Errorf("it is:\n%s", status)
		}
		return nil
	})
	expectEvents(t, namespace, "Package", "gallery", "Normal Resolved x1", "Normal Published x1", "Normal DeploymentCreated x1")

	refused := oaas(t, "", "delete", "gallery", "-n", namespace)
	if exitCode(refused.err) != 1 || !strings.Contains(refused.stderr, "409") || !strings.Contains(refused.stderr, "frame") ||
		!strings.Contains(refused.stderr, "kubectl oaas delete gallery --cascade -n "+namespace) {
		t.Errorf("deleting what is used ended with %v:\n%s", refused.err, refused.stderr)
	}
	refused = oaas(t, "", "delete", "images", "--cascade", "-n", namespace)
	if exitCode(refused.err) != 1 || !strings.Contains(refused.stderr, "gallery") {
		t.Errorf("deleting what another package needs ended with %v:\n%s", refused.err, refused.stderr)
	}
	removed := oaas(t, "", "delete", "images", "gallery", "--cascade", "-n", namespace)
	if removed.err != nil || strings.Index(removed.stdout, "gallery deleted") > strings.Index(removed.stdout, "images deleted") {
		t.Errorf("deleting both ended with %v:\n%s%s", removed.err, removed.stdout, removed.stderr)
	}
	if !strings.Contains(removed.stderr, "waits for") {
		t.Errorf("the deletion did not tell what it waits for:\n%s", removed.stderr)
	}
	if list, err := hub.oaas.PmV1alpha1().ClassDeployments(namespace).List(t.Context(), metav1.ListOptions{}); err != nil || len(list.Items) > 0 {
		t.Errorf("deployments %v are left, %v", list.Items, err)
	}
	eventually(t, "nothing to be left on the cluster", func(ctx context.Context) error {
		left, err := leftovers(ctx, hub, namespace)
		if err != nil || len(left) > 0 {
			return fmt.Errorf("%v are left, %w", left, err)
		}
		return nil
	})
}

// kubectl scale sets how many pods every function runs, and 0 stops them.
func TestKubectlScale(t *testing.T) {
	namespace := newNamespace(t)
	mustOaas(t, echoV1, "deploy", "-f", "-", "-n", namespace, "--wait")
	for _, replicas := range []int32{3, 0, 1} {
		mustKubectl(t, "", "scale", "cdep", "echo", fmt.Sprintf("--replicas=%d", replicas), "-n", namespace, "--timeout=60s")
		eventually(t, fmt.Sprintf("%d pods", replicas), func(ctx context.Context) error {
			workload := onlyDeployment(t, namespace)
			if *workload.Spec.Replicas != replicas || workload.Status.AvailableReplicas != replicas {
				return fmt.Errorf("%d of %d pods are available", workload.Status.AvailableReplicas, *workload.Spec.Replicas)
			}
			d, err := hub.oaas.PmV1alpha1().ClassDeployments(namespace).Get(ctx, "echo", metav1.GetOptions{})
			if err != nil || d.Status.Replicas != replicas || d.Status.ReadyReplicas != replicas {
				return fmt.Errorf("the status tells %d of %d replicas, %w", d.Status.ReadyReplicas, d.Status.Replicas, err)
			}
			return nil
		})
	}
	waitAvailable(t, namespace, "echo")
	if r := kubectl(t, "", "scale", "cdep", "echo", "--current-replicas=7", "--replicas=2", "-n", namespace); r.err == nil {
		t.Errorf("scaling from a number that it does not have succeeded:\n%s", r.stdout)
	}
}

// A plan says what would be done, and does nothing.
func TestPlan(t *testing.T) {
	namespace := newNamespace(t)
	output := mustOaas(t, echoV1, "plan", "-f", "-", "-n", namespace)
	if !strings.Contains(output, "Plan of classdeployment.pm.oaas.io/echo: 1 to create") || !strings.Contains(output, "registry.example/echo:1.0.0") {
		t.Errorf("the plan of a file is:\n%s", output)
	}
	if _, err := hub.oaas.PmV1alpha1().Packages(namespace).Get(t.Context(), "echo", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("planning published the package: %v", err)
	}
	mustOaas(t, echoV1, "deploy", "-f", "-", "-n", namespace, "--wait")
	if output = mustOaas(t, "", "plan", "echo", "-n", namespace); !strings.Contains(output, "1 to keep") {
		t.Errorf("the plan of what runs is:\n%s", output)
	}
	newImage := strings.ReplaceAll(echoV1, "echo:1.0.0", "echo:2.0.0")
	if output = mustOaas(t, newImage, "plan", "echo", "-f", "-", "-n", namespace); !strings.Contains(output, "1 to update") {
		t.Errorf("the plan of another image is:\n%s", output)
	}
	raw := mustKubectl(t, "", "get", "--raw", "/apis/pm.oaas.io/v1alpha1/namespaces/"+namespace+"/classdeployments/echo/plan")
	plan := &v1alpha1.ClassDeploymentPlan{}
	if err := json.Unmarshal([]byte(raw), plan); err != nil || plan.Kind != "ClassDeploymentPlan" || len(plan.Plan.Units) != 1 || plan.Plan.Units[0].Cluster != "hub" {
		t.Errorf("the subresource answers %v:\n%s", err, raw)
	}
	impossible := strings.ReplaceAll(echoV1, "class_key: Echo", "class_key: Echo\n  target_clusters: [nowhere]")
	r := oaas(t, impossible, "plan", "-f", "-", "-n", namespace)
	if exitCode(r.err) != 4 || !strings.Contains(r.stdout, "Problem ClusterNotFound") {
		t.Errorf("a plan with problems ended with %v:\n%s%s", r.err, r.stdout, r.stderr)
	}
}

// Rendering shows the objects that a cluster would run, and makes none of them.
func TestRender(t *testing.T) {
	namespace := newNamespace(t)
	output := mustOaas(t, echoV1, "render", "-f", "-", "-n", namespace)
	for _, want := range []string{" on hub, namespace " + namespace + ", by template deployment\n", "\n---\n", "\nkind: Deployment\n", "image: registry.example/echo:1.0.0\n"} {
		if !strings.Contains(output, want) {
			t.Errorf("the rendering of a file lacks %q:\n%s", want, output)
		}
	}
	if _, err := hub.oaas.PmV1alpha1().Packages(namespace).Get(t.Context(), "echo", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("rendering published the package: %v", err)
	}
	mustOaas(t, echoV1, "deploy", "-f", "-", "-n", namespace, "--wait")
	if output = mustOaas(t, "", "render", "echo", "-n", namespace); !strings.Contains(output, "name: "+onlyDeployment(t, namespace).Name+"\n") {
		t.Errorf("the rendering of what runs lacks its Deployment:\n%s", output)
	}
	unfit := strings.ReplaceAll(echoV1, "class_key: Echo", "class_key: Echo\n  env_templates: {default: imaginary}")
	r := oaas(t, unfit, "render", "-f", "-", "-n", namespace)
	if exitCode(r.err) != 4 || !strings.Contains(r.stderr, "imaginary") {
		t.Errorf("a template that is not there ended with %v:\n%s%s", r.err, r.stdout, r.stderr)
	}
}
