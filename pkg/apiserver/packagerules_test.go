// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// TestPackageRules holds the rules between packages, and between packages and
// their deployments, as clients see them.
func TestPackageRules(t *testing.T) {
	s := runServer(t, dataFolder(t))
	tests := map[string]func(probe){
		"every way to write a package holds its dependencies":             everyWriteHoldsDependencies,
		"a controller cannot write who depends on a package":              statusKeepsDependents,
		"a package with deployments of others is kept":                    foreignDeploymentsKeep,
		"a package asked to go with all deployments waits for them":       foregroundWaits,
		"a package with deployments of its own waits for them":            ownDeploymentsGo,
		"what is disabled takes no new deployment and keeps the old":      disabledTakesNoNew,
		"a package that is being deleted takes no new deployment":         deletedTakesNoNew,
		"a deployment may be there before its package":                    deploymentMayBeFirst,
		"a collection goes whatever its order":                            collectionInAnyOrder,
		"the deployments of a package are told of which package they are": packageOfDeploymentsIsFilledIn,
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) { test(probe{t, s}) })
	}
}

func dependent(name string, needs ...string) *v1alpha1.Package {
	p := echoPackage(name)
	for _, text := range needs {
		needed, versions, _ := strings.Cut(text, " ")
		p.Spec.Dependencies = append(p.Spec.Dependencies, v1alpha1.PackageDependency{Name: needed, Version: versions})
	}
	return p
}

func everyWriteHoldsDependencies(s probe) {
	client := s.client.PmV1alpha1().Packages(namespace)
	must(client.Create(s.Context(), echoPackage("rule-base"), metav1.CreateOptions{}))(s.T)
	must(client.Create(s.Context(), dependent("rule-user", "rule-base ^1"), metav1.CreateOptions{}))(s.T)
	patch := func(kind types.PatchType, name, body string, dryRun ...string) error {
		options := metav1.PatchOptions{DryRun: dryRun}
		if kind == types.ApplyPatchType {
			options.FieldManager = "test"
		}
		_, err := client.Patch(s.Context(), name, kind, []byte(body), options)
		return err
	}
	apply := func(name, needed string) string {
		return fmt.Sprintf(`{"apiVersion":"pm.oaas.io/v1alpha1","kind":"Package","metadata":{"name":%q},"spec":{"dependencies":[{"name":%q}]}}`, name, needed)
	}
	const closes, lost = "rule-base -> rule-user -> rule-base", "no such package"
	for write, test := range map[string]struct {
		err  error
		says string
	}{
		"create": {func() error {
			_, err := client.Create(s.Context(), dependent("rule-new", "lost"), metav1.CreateOptions{})
			return err
		}(), lost},
		"PUT that creates": {func() error {
			_, err := client.Update(s.Context(), dependent("rule-new", "lost"), metav1.UpdateOptions{})
			return err
		}(), lost},
		"apply that creates": {patch(types.ApplyPatchType, "rule-new", apply("rule-new", "lost")), lost},
		"dry-run create": {func() error {
			_, err := client.Create(s.Context(), dependent("rule-new", "lost"), metav1.CreateOptions{DryRun: []string{"All"}})
			return err
		}(), lost},
		"PUT": {func() error {
			_, err := client.Update(s.Context(), dependent("rule-base", "rule-user"), metav1.UpdateOptions{})
			return err
		}(), closes},
		"apply":                  {patch(types.ApplyPatchType, "rule-base", apply("rule-base", "rule-user")), closes},
		"strategic merge patch":  {patch(types.StrategicMergePatchType, "rule-base", `{"spec":{"dependencies":[{"name":"rule-user"}]}}`), closes},
		"merge patch":            {patch(types.MergePatchType, "rule-base", `{"spec":{"dependencies":[{"name":"rule-user"}]}}`), closes},
		"JSON patch":             {patch(types.JSONPatchType, "rule-base", `[{"op":"add","path":"/spec/dependencies","value":[{"name":"rule-user"}]}]`), closes},
		"dry-run patch":          {patch(types.MergePatchType, "rule-base", `{"spec":{"dependencies":[{"name":"rule-user"}]}}`, "All"), closes},
		"version out of a range": {patch(types.MergePatchType, "rule-base", `{"spec":{"version":"2.0"}}`), "rule-user (^1)"},
	} {
		if !apierrors.IsInvalid(test.err) || !strings.Contains(test.err.Error(), test.says) {
			s.Errorf("%s: got %v, want 422 with %q", write, test.err, test.says)
		}
	}
	if err := client.Delete(s.Context(), "rule-base", metav1.DeleteOptions{}); !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "rule-user") {
		s.Errorf("delete: got %v, want 409 with the dependent", err)
	}
	refreshDependents(s, "rule-base")
	base := must(client.Get(s.Context(), "rule-base", metav1.GetOptions{}))(s.T)
	marked := map[string]string{v1alpha1.PackageDependedOnAnnotation: "true"}
	if len(base.Status.Dependents) != 1 || base.Status.DependentCount != 1 || base.Generation != 1 || !maps.Equal(base.Annotations, marked) {
		s.Errorf("got the dependents %v, of %d, generation %d and annotations %v, want one, of 1, 1 and %v",
			base.Status.Dependents, base.Status.DependentCount, base.Generation, base.Annotations, marked)
	}
}

// refreshDependents has a package list its only dependent, as soon as the watch
// cache knows of it.
func refreshDependents(s probe, name string) {
	s.Helper()
	err := wait.PollUntilContextTimeout(s.Context(), 10*time.Millisecond, readyWithin, true, func(ctx context.Context) (bool, error) {
		if err := s.dependents.Refresh(ctx, namespace, name); err != nil {
			return false, err
		}
		p, err := s.client.PmV1alpha1().Packages(namespace).Get(ctx, name, metav1.GetOptions{})
		return err == nil && p.Status.DependentCount == 1, err
	})
	if err != nil {
		s.Fatal(err)
	}
}

func statusKeepsDependents(s probe) {
	client := s.client.PmV1alpha1().Packages(namespace)
	must(client.Create(s.Context(), echoPackage("status-base"), metav1.CreateOptions{}))(s.T)
	must(client.Create(s.Context(), dependent("status-user", "status-base"), metav1.CreateOptions{}))(s.T)
	refreshDependents(s, "status-base")
	expect := func(write string, p *v1alpha1.Package, err error) {
		if err != nil {
			s.Fatalf("%s: %v", write, err)
		}
		if len(p.Status.Dependents) != 1 || p.Status.Dependents[0].Name != "status-user" {
			s.Errorf("%s: the dependents are %v", write, p.Status.Dependents)
		}
		for _, entry := range p.ManagedFields {
			if strings.Contains(entry.FieldsV1.GetRawString(), "f:dependents") {
				s.Errorf("%s: %s owns the list of dependents", write, entry.Manager)
			}
		}
	}
	p := must(client.Get(s.Context(), "status-base", metav1.GetOptions{}))(s.T)
	p.Status.Dependents, p.Status.ClassCount = nil, 1
	p, err := client.UpdateStatus(s.Context(), p, metav1.UpdateOptions{})
	expect("update of the status", p, err)
	if p.Status.ClassCount != 1 {
		s.Error("the rest of the status was not written")
	}
	p, err = client.Patch(s.Context(), "status-base", types.MergePatchType, []byte(`{"status":{"dependents":null,"classCount":2}}`), metav1.PatchOptions{}, "status")
	expect("patch of the status", p, err)
	p, err = client.Patch(s.Context(), "status-base", types.ApplyPatchType,
		[]byte(`{"apiVersion":"pm.oaas.io/v1alpha1","kind":"Package","metadata":{"name":"status-base"},
			"status":{"functionCount":1,"dependents":[{"name":"forged","since":"2026-01-01T00:00:00Z"}]}}`),
		metav1.PatchOptions{FieldManager: "test", Force: new(true)}, "status")
	expect("apply of the status", p, err)
}

// use makes a deployment that uses a package, and waits until the server that
// deletes packages has seen it.
func use(s probe, name, packageName string, owners ...metav1.OwnerReference) *v1alpha1.ClassDeployment {
	d := echoDeployment(name)
	d.Spec.PackageName, d.OwnerReferences = packageName, owners
	d = must(s.client.PmV1alpha1().ClassDeployments(namespace).Create(s.Context(), d, metav1.CreateOptions{}))(s.T)
	err := wait.PollUntilContextTimeout(s.Context(), 10*time.Millisecond, readyWithin, true, func(ctx context.Context) (bool, error) {
		_, err := s.client.PmV1alpha1().ClassDeployments(namespace).List(ctx, metav1.ListOptions{ResourceVersion: d.ResourceVersion})
		return err == nil, nil
	})
	if err != nil {
		s.Fatal(err)
	}
	return d
}

func foreignDeploymentsKeep(s probe) {
	client := s.client.PmV1alpha1().Packages(namespace)
	must(client.Create(s.Context(), echoPackage("kept"), metav1.CreateOptions{}))(s.T)
	use(s, "keeps", "kept")
	for _, policy := range []metav1.DeletionPropagation{metav1.DeletePropagationBackground, metav1.DeletePropagationOrphan} {
		err := client.Delete(s.Context(), "kept", metav1.DeleteOptions{PropagationPolicy: &policy})
		if !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "keeps") || !strings.Contains(err.Error(), "Foreground") {
			s.Errorf("%s: got %v, want 409 with the deployment and the way out", policy, err)
		}
	}
}

func foregroundWaits(s probe) {
	client := s.client.PmV1alpha1().Packages(namespace)
	must(client.Create(s.Context(), echoPackage("waits"), metav1.CreateOptions{}))(s.T)
	use(s, "waited-for", "waits")
	foreground := metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationForeground)}
	dry := foreground
	dry.DryRun = []string{metav1.DryRunAll}
	if err := client.Delete(s.Context(), "waits", dry); err != nil {
		s.Fatal(err)
	}
	if p := must(client.Get(s.Context(), "waits", metav1.GetOptions{}))(s.T); p.DeletionTimestamp != nil || len(p.Finalizers) > 0 {
		s.Error("a dry run marked the package")
	}
	expectWaits(s, "waits", foreground)
}

func ownDeploymentsGo(s probe) {
	p := must(s.client.PmV1alpha1().Packages(namespace).Create(s.Context(), echoPackage("owner"), metav1.CreateOptions{}))(s.T)
	use(s, "owned", "owner", *metav1.NewControllerRef(p, v1alpha1.SchemeGroupVersion.WithKind("Package")))
	expectWaits(s, "owner", metav1.DeleteOptions{})
}

// expectWaits deletes a package and fails unless it waits for the package
// controller alone, and goes when that is done.
func expectWaits(s probe, name string, options metav1.DeleteOptions) {
	s.Helper()
	client := s.client.PmV1alpha1().Packages(namespace)
	for range 2 {
		if err := client.Delete(s.Context(), name, options); err != nil {
			s.Fatal(err)
		}
	}
	p := must(client.Get(s.Context(), name, metav1.GetOptions{}))(s.T)
	if p.DeletionTimestamp == nil || !slices.Equal(p.Finalizers, []string{v1alpha1.PackageFinalizer}) {
		s.Fatalf("the package was deleted at %v and has the finalizers %v", p.DeletionTimestamp, p.Finalizers)
	}
	p.Finalizers = nil
	must(client.Update(s.Context(), p, metav1.UpdateOptions{}))(s.T)
	if _, err := client.Get(s.Context(), name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		s.Errorf("got %v, want the package gone", err)
	}
}

func disabledTakesNoNew(s probe) {
	packages := s.client.PmV1alpha1().Packages(namespace)
	deployments := s.client.PmV1alpha1().ClassDeployments(namespace)
	must(packages.Create(s.Context(), echoPackage("lib"), metav1.CreateOptions{}))(s.T)
	user := dependent("switched", "lib")
	user.Spec.Classes[0].FunctionBindings = append(user.Spec.Classes[0].FunctionBindings,
		v1alpha1.FunctionBinding{Name: "foreign", FunctionKey: "lib.Echo.echo"})
	must(packages.Create(s.Context(), user, metav1.CreateOptions{}))(s.T)
	old := use(s, "before", "switched")

	change := func(name string, change func(*v1alpha1.Package)) {
		p := must(packages.Get(s.Context(), name, metav1.GetOptions{}))(s.T)
		change(p)
		must(packages.Update(s.Context(), p, metav1.UpdateOptions{}))(s.T)
	}
	for what, test := range map[string]struct {
		pkg    string
		set    func(*v1alpha1.Package, bool)
		remedy string
	}{
		"the package":                  {"switched", func(p *v1alpha1.Package, d bool) { p.Spec.Disabled = d }, `package "switched" is disabled`},
		"the class":                    {"switched", func(p *v1alpha1.Package, d bool) { p.Spec.Classes[0].Disabled = d }, `class "Echo" of package "switched"`},
		"a function":                   {"switched", func(p *v1alpha1.Package, d bool) { p.Spec.Functions[0].Disabled = d }, `function "Echo.echo" of package "switched"`},
		"a function of the dependency": {"lib", func(p *v1alpha1.Package, d bool) { p.Spec.Functions[0].Disabled = d }, `function "Echo.echo" of package "lib"`},
		"the dependency":               {"lib", func(p *v1alpha1.Package, d bool) { p.Spec.Disabled = d }, `package "lib" is disabled`},
	} {
		change(test.pkg, func(p *v1alpha1.Package) { test.set(p, true) })
		d := echoDeployment("after")
		d.Spec.PackageName = "switched"
		_, created := deployments.Create(s.Context(), d, metav1.CreateOptions{})
		_, put := deployments.Update(s.Context(), d, metav1.UpdateOptions{})
		_, dry := deployments.Create(s.Context(), d, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		for write, err := range map[string]error{"create": created, "PUT": put, "dry run": dry} {
			if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), test.remedy) {
				s.Errorf("%s is disabled, %s: got %v, want 403 with %q", what, write, err, test.remedy)
			}
		}
		old.Labels = map[string]string{"changed": strings.ReplaceAll(what, " ", "-")}
		old.ResourceVersion = ""
		old = must(deployments.Update(s.Context(), old, metav1.UpdateOptions{}))(s.T)
		change(test.pkg, func(p *v1alpha1.Package) { test.set(p, false) })
	}
	d := echoDeployment("after")
	d.Spec.PackageName = "switched"
	must(deployments.Create(s.Context(), d, metav1.CreateOptions{}))(s.T)
}

func deletedTakesNoNew(s probe) {
	p := echoPackage("going")
	p.Finalizers = []string{"example.com/wait"}
	client := s.client.PmV1alpha1().Packages(namespace)
	must(client.Create(s.Context(), p, metav1.CreateOptions{}))(s.T)
	if err := client.Delete(s.Context(), "going", metav1.DeleteOptions{}); err != nil {
		s.Fatal(err)
	}
	d := echoDeployment("late")
	d.Spec.PackageName = "going"
	_, err := s.client.PmV1alpha1().ClassDeployments(namespace).Create(s.Context(), d, metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "is being deleted") {
		s.Errorf("got %v, want 403", err)
	}
}

func deploymentMayBeFirst(s probe) {
	d := echoDeployment("first")
	d.Spec.PackageName = "not-yet"
	must(s.client.PmV1alpha1().ClassDeployments(namespace).Create(s.Context(), d, metav1.CreateOptions{}))(s.T)
}

func collectionInAnyOrder(s probe) {
	const own = "ordered"
	client := s.client.PmV1alpha1().Packages(own)
	for _, names := range [][]string{{"b"}, {"c", "b"}, {"a", "c"}, {"d", "a"}} {
		p := dependent(names[0], names[1:]...)
		p.Namespace = own
		must(client.Create(s.Context(), p, metav1.CreateOptions{}))(s.T)
	}
	background := metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationBackground)}
	if err := client.DeleteCollection(s.Context(), background, metav1.ListOptions{}); err != nil {
		s.Error(err)
	}
	if left := must(client.List(s.Context(), metav1.ListOptions{}))(s.T); len(left.Items) > 0 {
		s.Errorf("%d packages are left", len(left.Items))
	}
}

func packageOfDeploymentsIsFilledIn(s probe) {
	const applied = `{"apiVersion":"pm.oaas.io/v1alpha1","kind":"Package","metadata":{"name":"filled"},"spec":{
		"classes":[{"key":"C","stateSpec":{}}],"deployments":[{"name":"d","spec":{"classKey":"C"}}]}}`
	client := s.client.PmV1alpha1().Packages(namespace)
	apply := func() *v1alpha1.Package {
		return must(client.Patch(s.Context(), "filled", types.ApplyPatchType, []byte(applied), metav1.PatchOptions{FieldManager: "test"}))(s.T)
	}
	first, again := apply(), apply()
	if got := first.Spec.Deployments[0].Spec.PackageName; got != "filled" {
		s.Errorf("the deployment is of package %q", got)
	}
	if first.ResourceVersion != again.ResourceVersion {
		body, _ := json.Marshal(again)
		s.Errorf("the same applied again changed the package: %s", body)
	}
}

// TestADeleteKnowsWhatTheSameClientDidBefore has each step done before the next, but
// at another server. No cache may say that it was not.
func TestADeleteKnowsWhatTheSameClientDidBefore(t *testing.T) {
	one := runServer(t, dataFolder(t))
	two := runServer(t, dataFolder(t), onEtcdOf(one))
	for i := range 30 {
		p, d := echoPackage(fmt.Sprint("p-", i)), echoDeployment(fmt.Sprint("d-", i))
		d.Spec.PackageName = p.Name
		packages, deployments := two.client.PmV1alpha1().Packages(namespace), one.client.PmV1alpha1().ClassDeployments(namespace)
		must(one.client.PmV1alpha1().Packages(namespace).Create(t.Context(), p, metav1.CreateOptions{}))(t)
		must(deployments.Create(t.Context(), d, metav1.CreateOptions{}))(t)
		if err := packages.Delete(t.Context(), p.Name, metav1.DeleteOptions{}); !apierrors.IsConflict(err) {
			t.Errorf("the package of a deployment that was just made: got %v, want a conflict", err)
		}
		release := []byte(`{"metadata":{"finalizers":null}}`)
		if err := deployments.Delete(t.Context(), d.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := deployments.Patch(t.Context(), d.Name, types.MergePatchType, release, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := packages.Delete(t.Context(), p.Name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("the package of a deployment that has just gone: %v", err)
		}
	}
}
