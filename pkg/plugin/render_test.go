// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

func renderingObject(t *testing.T, rendering *pmv1alpha1.ClassDeploymentRendering) *unstructured.Unstructured {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(rendering)
	if err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: content}
}

func TestRenderedObjectsAreYAMLThatKubectlReads(t *testing.T) {
	streams, _, out, errOut := genericiooptions.NewTestIOStreams()
	o := &PreviewOptions{shared: &shared{IOStreams: streams}, preview: renderPreview()}
	err := o.show([]*unstructured.Unstructured{renderingObject(t, &pmv1alpha1.ClassDeploymentRendering{
		ObjectMeta: metav1.ObjectMeta{Name: "cart"},
		Units: []pmv1alpha1.RenderedUnit{{
			Cluster: "north", DeploymentID: "cart-1", Environment: "prod", Namespace: "shop", Template: "statefulset",
			Reasons:   []string{"statefulset: score 7: keeps state", "knative: cannot serve: is not there"},
			Manifests: []string{"kind: StatefulSet\n", "kind: Service\n"},
		}},
	})})
	want := `# cart-1 in prod on north, namespace shop, by template statefulset
#   statefulset: score 7: keeps state
#   knative: cannot serve: is not there
---
kind: StatefulSet
---
kind: Service
`
	if diff := cmp.Diff(want, out.String()); diff != "" || err != nil || errOut.Len() > 0 {
		t.Errorf("err = %v, %s; output (-want +got):\n%s", err, errOut, diff)
	}
}

func TestWhatCannotBeRenderedIsToldApart(t *testing.T) {
	streams, _, out, errOut := genericiooptions.NewTestIOStreams()
	o := &PreviewOptions{shared: &shared{IOStreams: streams}, preview: renderPreview()}
	err := o.show([]*unstructured.Unstructured{renderingObject(t, &pmv1alpha1.ClassDeploymentRendering{
		ObjectMeta: metav1.ObjectMeta{Name: "cart"},
		Units: []pmv1alpha1.RenderedUnit{
			{Cluster: "north", DeploymentID: "cart-1", Environment: "prod", Message: "cluster north: no link"},
			{Cluster: "south", DeploymentID: "cart-2", Environment: "edge", Manifests: []string{"kind: Job\n"}},
		},
		Problems: []pmv1alpha1.PlanProblem{{Reason: "NoCluster", Message: "no cluster hosts dev"}},
	})})
	if ExitCode(err) != ExitFailed {
		t.Errorf("exit code = %d, want %d", ExitCode(err), ExitFailed)
	}
	if !strings.Contains(out.String(), "kind: Job") || strings.Contains(out.String(), "no link") {
		t.Errorf("output = %q, want the other unit alone", out)
	}
	for _, text := range []string{"problem NoCluster: no cluster hosts dev", "in prod: cluster north: no link"} {
		if !strings.Contains(errOut.String(), text) {
			t.Errorf("errors = %q, want %q", errOut, text)
		}
	}
}

func TestProblemsAreAFailureInEveryForm(t *testing.T) {
	problems := []pmv1alpha1.PlanProblem{{Reason: "NoCluster", Message: "no cluster hosts dev"}}
	object := func(typed any) *unstructured.Unstructured {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
		if err != nil {
			t.Fatal(err)
		}
		return &unstructured.Unstructured{Object: content}
	}
	whole, silent := &pmv1alpha1.ClassDeploymentRendering{}, &pmv1alpha1.ClassDeploymentRendering{}
	silent.Units = []pmv1alpha1.RenderedUnit{{Message: "no link"}}
	for sentence, test := range map[string]struct {
		preview preview
		answers []*unstructured.Unstructured
		code    int
	}{
		"a plan":                          {planPreview(), []*unstructured.Unstructured{object(&pmv1alpha1.ClassDeploymentPlan{})}, ExitOK},
		"a plan with a problem":           {planPreview(), []*unstructured.Unstructured{object(&pmv1alpha1.ClassDeploymentPlan{Plan: pmv1alpha1.Plan{Problems: problems}})}, ExitFailed},
		"a rendering":                     {renderPreview(), []*unstructured.Unstructured{object(whole)}, ExitOK},
		"a rendering with a problem":      {renderPreview(), []*unstructured.Unstructured{object(&pmv1alpha1.ClassDeploymentRendering{Problems: problems})}, ExitFailed},
		"one of whose clusters is silent": {renderPreview(), []*unstructured.Unstructured{object(whole), object(silent)}, ExitFailed},
	} {
		for _, output := range []string{"", "json", "yaml"} {
			t.Run(sentence+" "+output, func(t *testing.T) {
				streams, _, out, _ := genericiooptions.NewTestIOStreams()
				o := &PreviewOptions{shared: &shared{IOStreams: streams}, preview: test.preview, Output: output}
				if code := ExitCode(o.show(test.answers)); code != test.code {
					t.Errorf("exit code = %d, want %d", code, test.code)
				}
				if output != "" && out.Len() == 0 {
					t.Error("the answer itself is not written")
				}
			})
		}
	}
}

func TestARenderingOfFilesHasThePackagesOfItsNamespace(t *testing.T) {
	files := &fileObjects{packages: map[string]*pmv1alpha1.Package{}}
	for _, name := range []string{"shop/b", "shop/a", "other/c"} {
		namespace, pkg, _ := strings.Cut(name, "/")
		files.packages[name] = &pmv1alpha1.Package{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: pkg}}
	}
	wanted, err := files.rendering(&pmv1alpha1.ClassDeployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart"}, Spec: pmv1alpha1.ClassDeploymentSpec{PackageName: "a", ClassKey: "Cart"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := typed[pmv1alpha1.ClassDeploymentRendering](wanted)
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != "cart" || got.Spec.Deployment.ClassKey != "Cart" || len(got.Spec.Packages) != 2 || got.Spec.Packages[0].Name != "a" {
		t.Errorf("rendering = %+v", got)
	}
}
