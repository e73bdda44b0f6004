// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

const (
	shopPackage = `
apiVersion: pm.oaas.io/v1alpha1
kind: Package
metadata:
  name: shop
  labels: {team: retail}
spec:
  version: 1.2.0
  description: Carts and orders
  classes:
  - key: Cart
    functionBindings:
    - {name: add, functionKey: Cart.add}
    - {name: remove, functionKey: Cart.add}
  functions:
  - key: Cart.add
    provision:
      image: registry.example/cart:1.0.0
`
	cartDeployment = `
apiVersion: pm.oaas.io/v1alpha1
kind: ClassDeployment
metadata:
  name: cart
spec:
  packageName: shop
  classKey: Cart
  nfr: {minThroughputRPS: 1500, availability: "0.99"}
`
)

// Everything that a Kubernetes user tries on a built-in resource works on ours.
func TestKubectl(t *testing.T) {
	namespace := newNamespace(t)
	run := func(t *testing.T, stdin string, args ...string) string {
		t.Helper()
		return mustKubectl(t, stdin, append(args, "-n", namespace)...)
	}
	contains := func(t *testing.T, output string, wanted ...string) {
		t.Helper()
		for _, want := range wanted {
			if !strings.Contains(output, want) {
				t.Errorf("%q is missing in:\n%s", want, output)
			}
		}
	}

	t.Run("a dry run on the server validates and stores nothing", func(t *testing.T) {
		contains(t, run(t, shopPackage, "apply", "--server-side", "--dry-run=server", "-f", "-"), "serverside-applied (server dry run)")
		if output := run(t, "", "get", "packages", "-o", "name"); output != "" {
			t.Errorf("the dry run left %s", output)
		}
	})
	t.Run("apply creates, then leaves unchanged what did not change", func(t *testing.T) {
		contains(t, run(t, shopPackage, "apply", "-f", "-"), "package.pm.oaas.io/shop created")
		contains(t, run(t, shopPackage, "apply", "-f", "-"), "package.pm.oaas.io/shop unchanged")
	})
	t.Run("get prints a table with the columns that matter", func(t *testing.T) {
		output := run(t, "", "get", "packages")
		if !regexp.MustCompile(`(?m)^NAME +VERSION +CLASSES +FUNCTIONS +DISABLED +READY +AGE\nshop +1\.2\.0 +1 +1 +false +`).MatchString(output) {
			t.Errorf("unexpected table:\n%s", output)
		}
	})
	t.Run("short names, categories and selectors find it", func(t *testing.T) {
		contains(t, run(t, "", "get", "opkg", "-l", "team=retail", "-o", "name"), "package.pm.oaas.io/shop")
		contains(t, run(t, "", "get", "oaas", "-o", "name"), "package.pm.oaas.io/shop")
		contains(t, run(t, "", "get", "packages", "--field-selector", "spec.disabled=false", "-o", "name"), "shop")
		if output := run(t, "", "get", "packages", "--field-selector", "spec.disabled=true", "-o", "name"); output != "" {
			t.Errorf("a selector that matches nothing found %s", output)
		}
	})
	t.Run("what is one cluster's own has a category of its own", func(t *testing.T) {
		contains(t, run(t, "", "get", "oaas-crm", "-A", "-o", "name"), "deploymenttemplate.oaas.io/deployment")
		for name := range strings.FieldsSeq(run(t, "", "get", "oaas", "-A", "-o", "name")) {
			if kind, _, _ := strings.Cut(name, "/"); !strings.HasSuffix(kind, ".pm.oaas.io") {
				t.Errorf("get oaas lists %s", name)
			}
		}
	})
	t.Run("a field selector that is not served is refused with those that are", func(t *testing.T) {
		r := kubectl(t, "", "get", "packages", "--field-selector", "spec.author=me", "-n", namespace)
		if r.err == nil {
			t.Fatal("the selector was accepted")
		}
		contains(t, r.err.Error(), "spec.author", "spec.disabled")
	})
	t.Run("explain describes nested fields", func(t *testing.T) {
		awaitDescription(t)
		contains(t, run(t, "", "explain", "package.spec.classes"), "functionBindings", "stateSpec", "methods of the class")
		contains(t, run(t, "", "explain", "classdeployment.spec.nfr"), "minThroughputRPS", "requests per second")
	})
	t.Run("defaults are filled in and shown", func(t *testing.T) {
		var found v1alpha1.Package
		if err := json.Unmarshal([]byte(run(t, "", "get", "package", "shop", "-o", "json")), &found); err != nil {
			t.Fatal(err)
		}
		if got := found.Spec.Functions[0]; got.Type != v1alpha1.FunctionCustom || got.Provision.Port != v1alpha1.DefaultFunctionPort {
			t.Errorf("function has type %q and port %d", got.Type, got.Provision.Port)
		}
		if got := found.Spec.Classes[0].FunctionBindings[0].AccessModifier; got != v1alpha1.AccessPublic {
			t.Errorf("binding has access modifier %q", got)
		}
	})
	t.Run("server-side apply keeps who owns what, and tells a conflict", func(t *testing.T) {
		run(t, shopPackage, "apply", "--server-side", "--force-conflicts", "--field-manager=ci", "-f", "-")
		changed := strings.Replace(shopPackage, "cart:1.0.0", "cart:1.1.0", 1)
		r := kubectl(t, changed, "apply", "--server-side", "--field-manager=alice", "-f", "-", "-n", namespace)
		if r.err == nil {
			t.Fatal("a field that ci owns was taken without a conflict")
		}
		contains(t, r.err.Error(), "conflict", `"ci"`, `.spec.functions[key="Cart.add"].provision.image`)
	})
	t.Run("merge and JSON patch change it; the generation counts spec changes only", func(t *testing.T) {
		before := getPackage(t, namespace, "shop")
		run(t, "", "label", "package", "shop", "tier=gold")
		run(t, "", "patch", "package", "shop", "--type=merge", "-p", `{"spec":{"description":"Carts"}}`)
		run(t, "", "patch", "package", "shop", "--type=json", "-p", `[{"op":"add","path":"/spec/tags","value":["retail"]}]`)
		after := getPackage(t, namespace, "shop")
		if after.Generation != before.Generation+2 {
			t.Errorf("generation went from %d to %d, want two more", before.Generation, after.Generation)
		}
		if after.Spec.Description != "Carts" || !slices.Equal(after.Spec.Tags, []string{"retail"}) {
			t.Errorf("patched to %+v", after.Spec)
		}
	})
	t.Run("the status subresource leaves the spec alone, and the spec the status", func(t *testing.T) {
		run(t, "", "patch", "package", "shop", "--subresource=status", "--type=merge",
			"-p", `{"spec":{"description":"not through status"},"status":{"deployments":["x"]}}`)
		run(t, "", "patch", "package", "shop", "--type=merge", "-p", `{"status":{"deployments":["y"]}}`)
		found := getPackage(t, namespace, "shop")
		if found.Spec.Description != "Carts" {
			t.Errorf("the status subresource changed the description to %q", found.Spec.Description)
		}
		if slices.Contains(found.Status.Deployments, "y") {
			t.Error("the main resource changed the status")
		}
	})
	t.Run("an update of an old version is refused with a conflict", func(t *testing.T) {
		old := getPackage(t, namespace, "shop")
		run(t, "", "annotate", "package", "shop", "changed=yes")
		old.Spec.Description = "late"
		_, err := hub.oaas.PmV1alpha1().Packages(namespace).Update(t.Context(), old, metav1.UpdateOptions{})
		if err == nil || !strings.Contains(err.Error(), "the object has been modified") {
			t.Errorf("the late update gave %v", err)
		}
	})
	t.Run("watch follows changes and deletes, from where a list ended", func(t *testing.T) {
		testWatch(t, namespace)
	})
	t.Run("pages cover the list once each", func(t *testing.T) {
		testPages(t, namespace)
	})
	t.Run("delete removes it", func(t *testing.T) {
		contains(t, run(t, "", "delete", "package", "shop"), `"shop" deleted`)
		if r := kubectl(t, "", "get", "package", "shop", "-n", namespace); r.err == nil || !strings.Contains(r.err.Error(), "NotFound") {
			t.Errorf("get after delete gave %v: %s", r.err, r.stdout)
		}
	})
}

func getPackage(t *testing.T, namespace, name string) *v1alpha1.Package {
	t.Helper()
	found, err := hub.oaas.PmV1alpha1().Packages(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

//nolint:thelper // the body of a subtest: a failure is where it happens, not where it is called
func testWatch(t *testing.T, namespace string) {
	packages := hub.oaas.PmV1alpha1().Packages(namespace)
	list, err := packages.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	follow, err := packages.Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion, LabelSelector: "watched=yes"})
	if err != nil {
		t.Fatal(err)
	}
	defer follow.Stop()
	mustKubectl(t, strings.NewReplacer("name: shop", "name: watched", "team: retail", "watched: 'yes'").Replace(shopPackage),
		"apply", "-n", namespace, "-f", "-")
	mustKubectl(t, "", "patch", "package", "watched", "-n", namespace, "--type=merge", "-p", `{"spec":{"author":"me"}}`)
	mustKubectl(t, "", "delete", "package", "watched", "-n", namespace)
	var seen []watch.EventType
	for event := range follow.ResultChan() {
		seen = append(seen, event.Type)
		if event.Type == watch.Deleted {
			break
		}
	}
	if seen[0] != watch.Added || !slices.Contains(seen, watch.Modified) || seen[len(seen)-1] != watch.Deleted {
		t.Errorf("watched %v", seen)
	}
}

//nolint:thelper // the body of a subtest: a failure is where it happens, not where it is called
func testPages(t *testing.T, namespace string) {
	packages := hub.oaas.PmV1alpha1().Packages(namespace)
	for _, name := range []string{"page-a", "page-b", "page-c", "page-d", "page-e"} {
		mustKubectl(t, strings.NewReplacer("name: shop", "name: "+name, "team: retail", "paged: 'yes'").Replace(shopPackage),
			"apply", "-n", namespace, "-f", "-")
	}
	var names []string
	options := metav1.ListOptions{Limit: 2}
	for pages := 1; ; pages++ {
		list, err := packages.List(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		for i := range list.Items {
			names = append(names, list.Items[i].Name)
		}
		if list.Continue == "" {
			if pages < 3 {
				t.Errorf("six packages came in %d pages of two", pages)
			}
			break
		}
		options.Continue = list.Continue
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) || len(names) != 6 {
		t.Errorf("the pages held %v", names)
	}
	if err := packages.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "paged=yes"}); err != nil {
		t.Fatal(err)
	}
	left, err := packages.List(t.Context(), metav1.ListOptions{LabelSelector: "paged=yes"})
	if err != nil || len(left.Items) != 0 {
		t.Errorf("deletecollection left %d packages (%v)", len(left.Items), err)
	}
}

// kubectl get -w prints what happens as it happens.
func TestKubectlGetWatch(t *testing.T) {
	namespace := newNamespace(t)
	mustKubectl(t, shopPackage, "apply", "-n", namespace, "-f", "-")
	programs, err := binaries.Ensure(t.Context(), binaries.Options{}, binaries.Kubectl)
	if err != nil {
		t.Fatal(err)
	}
	// As a program of its own, which can be ended when it has told everything.
	var output transcript
	watching := exec.CommandContext(t.Context(), programs.Path(binaries.Kubectl), "get", "packages", "-n", namespace, "-w", "--output-watch-events")
	watching.Env = append(os.Environ(), "KUBECONFIG="+hub.cluster.KubeconfigPath(), "KUBECACHEDIR="+t.TempDir())
	watching.Stdout, watching.Stderr = &output, &output
	if err := watching.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = watching.Process.Kill()
		_ = watching.Wait()
	}()
	output.awaits(t, "ADDED")
	packages := hub.oaas.PmV1alpha1().Packages(namespace)
	for _, version := range []string{"2.0.0", "2.1.0"} {
		_, err := packages.Patch(t.Context(), "shop", types.MergePatchType, fmt.Appendf(nil, `{"spec":{"version":%q}}`, version), metav1.PatchOptions{})
		if err != nil {
			t.Fatal(err)
		}
		output.awaits(t, version)
	}
	output.awaits(t, "MODIFIED")
	if err := packages.Delete(t.Context(), "shop", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	output.awaits(t, "DELETED")
}
