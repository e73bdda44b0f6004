// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package render

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// sixth is a template that nobody thought of when the program was written.
const sixth = `
type: Custom
capabilities: {serving: false}
manifests:
- name: settings
  keep: true
  manifest:
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: ${ childName(names.record, '-settings') }
      labels: {team: cart, app.kubernetes.io/managed-by: nobody}
    data:
      functions: "${ functions.map(f, f.key).join(',') }"
- name: cronjob
  forEach: functions
  roles: [Workload]
  manifest:
    apiVersion: batch/v1
    kind: CronJob
    metadata:
      name: ${ item.name }
    spec:
      schedule: ${ record.annotations[?'example.com/schedule'].orValue('@daily') }
      jobTemplate:
        spec:
          template: "${ merge(item.pod, {'spec': {'restartPolicy': 'OnFailure'}}) }"
- name: monitor
  optional: true
  manifest:
    apiVersion: monitoring.coreos.com/v1
    kind: PodMonitor
    metadata: {name: "${ names.record }"}
    spec: {selector: {matchLabels: "${ record.selector }"}}
`

// TestTheExampleWithKEDA scales by a ScaledObject where the cluster has them and the
// function may have more replicas, and sets the number itself otherwise.
func TestTheExampleWithKEDA(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "..", "..", "artifacts", "examples", "templates", "keda.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	object := &v1alpha1.DeploymentTemplate{}
	first, _, _ := strings.Cut(string(content), "\n---\n")
	if err := yaml.UnmarshalStrict([]byte(first), object); err != nil {
		t.Fatal(err)
	}
	for sentence, test := range map[string]struct {
		most int32
		want string
	}{
		"a function that may grow": {5, "Deployment Service PodDisruptionBudget ScaledObject"},
		"a function of one size":   {2, "Deployment Service PodDisruptionBudget"},
	} {
		t.Run(sentence, func(t *testing.T) {
			in := input(t, record(func(r *v1alpha1.DeploymentRecord) {
				r.Spec.ResourceAllocation = v1alpha1.ResourceAllocation{MinReplicas: 2, MaxReplicas: test.most}
			}), "deployment")
			in.Template = compiled(t, "keda", &object.Spec)
			in.Features.HPA = true
			rendering := rendered(t, in)
			var kinds []string
			for _, object := range rendering.Objects {
				kinds = append(kinds, object.Intent.GetKind())
			}
			if got := strings.Join(kinds, " "); got != test.want {
				t.Errorf("objects %s, want %s", got, test.want)
			}
			_, sized, _ := unstructured.NestedInt64(rendering.Objects[0].Intent.Object, "spec", "replicas")
			last := rendering.Objects[len(rendering.Objects)-1].Intent
			scaled := last.GetKind() == "ScaledObject"
			if sized == scaled {
				t.Errorf("the Deployment has replicas of its own: %t, a ScaledObject: %t", sized, scaled)
			}
			if scaled {
				least, _, _ := unstructured.NestedInt64(last.Object, "spec", "minReplicaCount")
				most, _, _ := unstructured.NestedInt64(last.Object, "spec", "maxReplicaCount")
				if least != 2 || most != 5 {
					t.Errorf("scaled between %d and %d, want 2 and 5", least, most)
				}
			}
		})
	}
}

func TestASixthTemplate(t *testing.T) {
	spec := &v1alpha1.DeploymentTemplateSpec{}
	if err := yaml.UnmarshalStrict([]byte(sixth), spec); err != nil {
		t.Fatal(err)
	}
	in := input(t, record(func(r *v1alpha1.DeploymentRecord) {
		r.Annotations = map[string]string{"example.com/schedule": "@hourly"}
	}), "deployment")
	in.Template = compiled(t, "scheduled", spec)
	in.Served = func(kind schema.GroupKind) bool { return kind.Kind != "PodMonitor" }
	rendering := rendered(t, in)

	if len(rendering.Objects) != 2 || len(rendering.Missing) != 1 || rendering.Missing[0].Kind != "PodMonitor" {
		t.Fatalf("%d objects, missing %v, want 2 and PodMonitor", len(rendering.Objects), rendering.Missing)
	}
	settings, job := rendering.Objects[0], rendering.Objects[1]
	if !settings.Keep || settings.Function != "" || settings.Intent.GetLabels()["team"] != "cart" {
		t.Errorf("settings = %+v", settings)
	}
	if job.Function != "Cart.add" || rendering.Functions[0].Workload.Kind != "CronJob" || rendering.Functions[0].URL != "" {
		t.Errorf("function = %+v of object %+v", rendering.Functions[0], job)
	}
	if got, _, _ := unstructured.NestedString(job.Intent.Object, "spec", "schedule"); got != "@hourly" {
		t.Errorf("schedule = %q", got)
	}
	pod, _, _ := unstructured.NestedMap(job.Intent.Object, "spec", "jobTemplate", "spec", "template", "spec")
	if pod["restartPolicy"] != "OnFailure" || len(pod["containers"].([]any)) != 1 {
		t.Errorf("pod = %v", pod)
	}
	for _, object := range rendering.Objects {
		labels, owners := object.Intent.GetLabels(), object.Intent.GetOwnerReferences()
		if object.Intent.GetNamespace() != "team-a" || len(owners) != 1 || owners[0].Name != "shop-cart-dev" ||
			labels[v1alpha1.LabelManagedBy] != v1alpha1.FieldManagerReconciler || labels[v1alpha1.LabelTemplate] != "scheduled" ||
			object.Intent.GetAnnotations()[v1alpha1.AnnotationSpecHash] == "" {
			t.Errorf("%s is not the record's own: %v %v", object.Intent.GetKind(), labels, owners)
		}
	}
}

// TestTheDocumentedExample holds that docs/templates.md shows what works.
func TestTheDocumentedExample(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "templates.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, ok := strings.Cut(string(page), "```yaml\n")
	if !ok {
		t.Fatal("the page has no example")
	}
	example, _, _ = strings.Cut(example, "```")
	object := &v1alpha1.DeploymentTemplate{}
	if err := yaml.UnmarshalStrict([]byte(example), object); err != nil {
		t.Fatal(err)
	}
	in := input(t, record(full), "deployment")
	in.Template = compiled(t, object.Name, &object.Spec)
	var kinds []string
	for _, made := range rendered(t, in).Objects {
		kinds = append(kinds, made.Intent.GetKind())
	}
	if want := []string{"ConfigMap", "CronJob", "CronJob"}; !slices.Equal(kinds, want) {
		t.Errorf("the example makes %v, want %v", kinds, want)
	}
}

// TestATemplateLeavesTheGridItsNames: two intents for one object would be applied over
// each other for ever.
func TestATemplateLeavesTheGridItsNames(t *testing.T) {
	in := input(t, record(stateful), "deployment", production)
	in.Template = compiled(t, "mine", &v1alpha1.DeploymentTemplateSpec{
		Type: v1alpha1.TemplateTypeCustom, ODGM: v1alpha1.TemplateODGM{Mode: v1alpha1.ODGMCluster},
		Manifests: []v1alpha1.TemplateManifest{{Name: "settings", Manifest: runtime.RawExtension{
			Raw: []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"${ record.name }-odgm-config"}}`),
		}}},
	})
	_, err := Render(in)
	if want := `template "mine", manifest "settings": ConfigMap shop-cart-dev-odgm-config is made for the data grid already`; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
}
