// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/builtin"
	"oaas.io/oaas/pkg/crm/config"
	"oaas.io/oaas/pkg/crm/rollout"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// inBatchesOf lets so many records take a changed template at a time.
func inBatchesOf(records int) func(*config.Config) {
	return func(s *config.Config) { s.Templates.BatchSize = records }
}

// newTemplate makes a template that is used where a record pins it, from a
// Deployment of which the test can say one annotation and the revision history.
func newTemplate(t *testing.T, c client.Client, mark string, history any) *v1alpha1.DeploymentTemplate {
	t.Helper()
	template := &v1alpha1.DeploymentTemplate{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"},
		Spec:       templateSpec(t, mark, history),
	}
	if err := c.Create(t.Context(), template); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.WithoutCancel(t.Context()), template) })
	return template
}

func templateSpec(t *testing.T, mark string, history any) v1alpha1.DeploymentTemplateSpec {
	t.Helper()
	return v1alpha1.DeploymentTemplateSpec{
		Type:              v1alpha1.TemplateTypeCustom,
		SelectionCriteria: v1alpha1.SelectionCriteria{OnlyPinned: true},
		Manifests: []v1alpha1.TemplateManifest{{
			Name: "workload", ForEach: "functions", Roles: []v1alpha1.ManifestRole{v1alpha1.RoleWorkload},
			Manifest: manifest(t, fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${ item.name }
  annotations: {mark: %q}
spec:
  replicas: ${ item.replicas }
  revisionHistoryLimit: %v
  selector:
    matchLabels: ${ item.selector }
  template: ${ item.pod }
`, mark, history)),
		}, {
			Name: "settings",
			Manifest: manifest(t, `
apiVersion: v1
kind: ConfigMap
metadata:
  name: ${ names.record }-settings
data:
  class: ${ record.class }
  functions: ${ functions.map(f, f.key).join(",") }
`),
		}},
	}
}

func manifest(t *testing.T, text string) runtime.RawExtension {
	t.Helper()
	content, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return runtime.RawExtension{Raw: content}
}

func pinned(template string) func(*deploymentv1.DeploymentUnit) {
	return func(u *deploymentv1.DeploymentUnit) { u.Template = template }
}

// changeTemplate gives a template another content, as an editor would.
func changeTemplate(t *testing.T, c client.Client, template *v1alpha1.DeploymentTemplate, spec v1alpha1.DeploymentTemplateSpec) {
	t.Helper()
	eventually(t, "the template is changed", func(ctx context.Context) error {
		if err := c.Get(ctx, client.ObjectKeyFromObject(template), template); err != nil {
			return err
		}
		template.Spec = spec
		return c.Update(ctx, template)
	})
}

// waitForTemplate waits until the status speaks of the newest content and is as
// wanted.
func waitForTemplate(t *testing.T, c client.Client, template *v1alpha1.DeploymentTemplate, what string, wanted func(*v1alpha1.DeploymentTemplateStatus) bool) {
	t.Helper()
	eventually(t, "the template "+what, func(ctx context.Context) error {
		if err := c.Get(ctx, client.ObjectKeyFromObject(template), template); err != nil {
			return err
		}
		if template.Status.ObservedGeneration != template.Generation || !wanted(&template.Status) {
			return fmt.Errorf("records %d, updated %d, conditions %+v, rollout %+v",
				template.Status.Records, template.Status.UpdatedRecords, template.Status.Conditions, template.Status.Rollout)
		}
		return nil
	})
}

func rolledOut(records int32) func(*v1alpha1.DeploymentTemplateStatus) bool {
	return func(s *v1alpha1.DeploymentTemplateStatus) bool {
		return s.Records == records && s.UpdatedRecords == records && meta.IsStatusConditionTrue(s.Conditions, v1alpha1.TemplateRolledOut)
	}
}

// marks counts the Deployments of a namespace by the annotation of newTemplate.
func marks(ctx context.Context, c client.Client, namespace string) (map[string]int, error) {
	list := &appsv1.DeploymentList{}
	if err := c.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for i := range list.Items {
		counts[list.Items[i].Annotations["mark"]]++
	}
	return counts, nil
}

// TestTemplateOfTheUsersOwn runs a record by a template that no program knew, with
// a kind that no built-in template has.
func TestTemplateOfTheUsersOwn(t *testing.T) {
	c := newClient(t)
	p := startProgram(t)
	template := newTemplate(t, c, "own", 2)
	unit := newUnit(newNamespace(t, c), pinned(template.Name))
	p.deploy(t, unit)
	record := p.waitFor(t, unit.GetId(), "the unit runs", running)
	if got := record.GetStatus().GetSelectedTemplate(); got != template.Name {
		t.Errorf("template is %q, want %q", got, template.Name)
	}
	settings := &corev1.ConfigMapList{}
	if err := c.List(t.Context(), settings, client.InNamespace(unit.GetNamespace()), client.MatchingLabels{v1alpha1.LabelDeploymentID: unit.GetId()}); err != nil {
		t.Fatal(err)
	}
	if len(settings.Items) != 1 || settings.Items[0].Data["class"] != "Echo" || settings.Items[0].Data["functions"] != "Echo.say" {
		t.Errorf("ConfigMaps of the template are %+v", settings.Items)
	}
	waitForTemplate(t, c, template, "counts its record", rolledOut(1))

	// A template in use waits for its records.
	if err := c.Delete(t.Context(), template); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(template), template); err != nil {
		t.Errorf("a template in use was removed: %v", err)
	}
	if _, err := p.DeleteDeployment(t.Context(), &deploymentv1.DeleteDeploymentRequest{DeploymentId: unit.GetId()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the template is gone with its last record", func(ctx context.Context) error {
		err := c.Get(ctx, client.ObjectKeyFromObject(template), template)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(err, errors.New("it is still there"))
	})
}

// TestChangedTemplateRollsThroughRecords changes a template under five records.
func TestChangedTemplateRollsThroughRecords(t *testing.T) {
	const records = 5
	c := newClient(t)
	p := startProgram(t, inBatchesOf(2))
	namespace := newNamespace(t, c)
	template := newTemplate(t, c, "first", 2)
	var units []*deploymentv1.DeploymentUnit
	for i := range records {
		unit := newUnit(namespace, pinned(template.Name), func(u *deploymentv1.DeploymentUnit) { u.Id = fmt.Sprintf("%s-%d", namespace, i) })
		units = append(units, unit)
		p.deploy(t, unit)
	}
	for _, unit := range units {
		p.waitFor(t, unit.GetId(), "the unit runs", running)
	}
	waitForTemplate(t, c, template, "counts its records", rolledOut(records))

	changeTemplate(t, c, template, templateSpec(t, "second", 2))
	waitForTemplate(t, c, template, "has reached all records", rolledOut(records))
	if counts, err := marks(t.Context(), c, namespace); err != nil || counts["second"] != records {
		t.Errorf("Deployments by revision are %v (%v), want all of the second", counts, err)
	}

	// The API server refuses what the third makes.
	changeTemplate(t, c, template, templateSpec(t, "third", -1))
	waitForTemplate(t, c, template, "has stopped", func(s *v1alpha1.DeploymentTemplateStatus) bool {
		condition := meta.FindStatusCondition(s.Conditions, v1alpha1.TemplateRolledOut)
		return condition != nil && condition.Reason == rollout.ReasonStopped && s.Rollout != nil && len(s.Rollout.Failed) > 0
	})
	if updated := template.Status.UpdatedRecords; updated > 2 {
		t.Errorf("%d records took a revision that failed in the first batch of 2", updated)
	}
	held := 0
	for _, unit := range units {
		response, err := p.GetDeploymentRecord(t.Context(), &deploymentv1.GetDeploymentRecordRequest{DeploymentId: unit.GetId()})
		if err != nil {
			t.Fatal(err)
		}
		if running(response.GetRecord()) {
			held++
		}
	}
	if held < records-2 {
		t.Errorf("%d records run undisturbed, want at least %d", held, records-2)
	}

	changeTemplate(t, c, template, templateSpec(t, "fourth", 3))
	waitForTemplate(t, c, template, "has reached all records after it was corrected", rolledOut(records))
	for _, unit := range units {
		p.waitFor(t, unit.GetId(), "the unit runs with the corrected template", running)
	}
	if counts, err := marks(t.Context(), c, namespace); err != nil || counts["fourth"] != records {
		t.Errorf("Deployments by revision are %v (%v), want all of the fourth", counts, err)
	}
}

// TestPinnedTemplateThatCannotServe fails the record instead of choosing another,
// and helps itself once the template is there.
func TestPinnedTemplateThatCannotServe(t *testing.T) {
	c := newClient(t)
	p := startProgram(t)
	namespace := newNamespace(t, c)
	name := "late-" + namespace
	unit := newUnit(namespace, pinned(name))
	p.deploy(t, unit)
	record := p.waitFor(t, unit.GetId(), "the unit has failed", func(r *deploymentv1.DeploymentRecord) bool {
		return r.GetStatus().GetCondition() == deploymentv1.RecordCondition_RECORD_CONDITION_FAILED
	})
	if message := conditionOf(record, v1alpha1.ConditionAvailable).GetMessage(); !strings.Contains(message, name) {
		t.Errorf("message %q does not name the template", message)
	}
	if got := conditionOf(record, v1alpha1.ConditionAvailable).GetReason(); got != "TemplateUnfit" {
		t.Errorf("reason is %q", got)
	}
	template := &v1alpha1.DeploymentTemplate{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: templateSpec(t, "late", 2)}
	if err := c.Create(t.Context(), template); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.WithoutCancel(t.Context()), template) })
	p.waitFor(t, unit.GetId(), "the unit runs", running)
}

// TestEnvironmentForbidsTemplate lets an environment narrow the choice, and widen it
// again.
func TestEnvironmentForbidsTemplate(t *testing.T) {
	c := newClient(t)
	p := startProgram(t)
	environment := newEnvironment(t, c, v1alpha1.EnvironmentConfigSpec{AllowedTemplates: []v1alpha1.AllowedTemplate{{Name: "job"}}})
	unit := newUnit(newNamespace(t, c), func(u *deploymentv1.DeploymentUnit) { u.Environment = environment.Name })
	p.deploy(t, unit)
	record := p.waitFor(t, unit.GetId(), "the unit has failed", func(r *deploymentv1.DeploymentRecord) bool {
		return r.GetStatus().GetCondition() == deploymentv1.RecordCondition_RECORD_CONDITION_FAILED
	})
	if got := conditionOf(record, v1alpha1.ConditionAvailable).GetReason(); got != "NoTemplate" {
		t.Errorf("reason is %q", got)
	}
	explained := false
	for _, candidate := range record.GetStatus().GetTemplateSelection().GetCandidates() {
		explained = explained || (candidate.GetTemplate() == "deployment" && strings.Contains(strings.Join(candidate.GetReasons(), " "), environment.Name))
	}
	if !explained {
		t.Errorf("the choice is not explained: %v", record.GetStatus().GetTemplateSelection())
	}
	eventually(t, "the environment allows more", func(ctx context.Context) error {
		if err := c.Get(ctx, client.ObjectKeyFromObject(environment), environment); err != nil {
			return err
		}
		environment.Spec.AllowedTemplates = append(environment.Spec.AllowedTemplates[:1:1], v1alpha1.AllowedTemplate{Name: "deployment"})
		return c.Update(ctx, environment)
	})
	p.waitFor(t, unit.GetId(), "the unit runs", running)
}

// TestEditedBuiltInTemplateStays keeps a user's edit over a restart.
func TestEditedBuiltInTemplateStays(t *testing.T) {
	c := newClient(t)
	startProgram(t).end(t)
	const mine = "Mine."
	template := &v1alpha1.DeploymentTemplate{}
	eventually(t, "a built-in template is edited", func(ctx context.Context) error {
		if err := c.Get(ctx, client.ObjectKey{Name: "daemonset"}, template); err != nil {
			return err
		}
		template.Spec.Description = mine
		return c.Update(ctx, template)
	})
	startProgram(t).end(t)
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(template), template); err != nil {
		t.Fatal(err)
	}
	if template.Spec.Description != mine {
		t.Errorf("description is %q, want the user's", template.Spec.Description)
	}
	if err := c.Delete(t.Context(), template); err != nil {
		t.Fatal(err)
	}
	startProgram(t).end(t)
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(template), template); err != nil || template.Spec.Description == mine {
		t.Errorf("after it was deleted: %q (%v), want the built-in content", template.Spec.Description, err)
	}
}

// TestWhatIsTakenOutOfABuiltInTemplateStaysOut keeps an edit that leaves nothing behind
// which would be the user's own.
func TestWhatIsTakenOutOfABuiltInTemplateStaysOut(t *testing.T) {
	c := newClient(t)
	startProgram(t).end(t)
	template := &v1alpha1.DeploymentTemplate{}
	var left int
	eventually(t, "a manifest is taken out", func(ctx context.Context) error {
		if err := c.Get(ctx, client.ObjectKey{Name: "daemonset"}, template); err != nil {
			return err
		}
		left = len(template.Spec.Manifests) - 1
		template.Spec.Manifests = template.Spec.Manifests[:left]
		return c.Update(ctx, template)
	})
	for range 2 {
		startProgram(t).end(t)
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(template), template); err != nil {
			t.Fatal(err)
		}
		if len(template.Spec.Manifests) != left {
			t.Errorf("%d manifests, want the %d that the user left", len(template.Spec.Manifests), left)
		}
	}
	if err := c.Delete(t.Context(), template); err != nil {
		t.Fatal(err)
	}
	// Twice: what is as it should be is not taken for an edit.
	for range 2 {
		startProgram(t).end(t)
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(template), template); err != nil {
			t.Fatal(err)
		}
		generation := strconv.FormatInt(template.Generation, 10)
		if noted := template.Annotations[v1alpha1.AnnotationAppliedGeneration]; len(template.Spec.Manifests) != left+1 || noted != generation {
			t.Errorf("after it was deleted: %d manifests, generation %s, noted %q", len(template.Spec.Manifests), generation, noted)
		}
	}
}

// TestNewerProgramsBringNewerTemplates holds that what a program brought before is not
// taken for somebody's edit.
func TestNewerProgramsBringNewerTemplates(t *testing.T) {
	c := newClient(t)
	startProgram(t).end(t) // the definitions
	apply := func(description string, manifests int) *v1alpha1.DeploymentTemplate {
		t.Helper()
		content := "apiVersion: oaas.io/v1alpha1\nkind: DeploymentTemplate\nmetadata: {name: brought}\nspec:\n  type: Custom\n  description: " +
			description + "\n  selectionCriteria: {onlyPinned: true}\n  manifests:\n"
		for i := range manifests {
			content += fmt.Sprintf("  - {name: m%d, manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: m%d}}}\n", i, i)
		}
		if err := builtin.Apply(t.Context(), c, fstest.MapFS{"brought.yaml": {Data: []byte(content)}}); err != nil {
			t.Fatal(err)
		}
		template := &v1alpha1.DeploymentTemplate{}
		if err := c.Get(t.Context(), client.ObjectKey{Name: "brought"}, template); err != nil {
			t.Fatal(err)
		}
		return template
	}
	apply("First.", 3)
	if template := apply("Second.", 2); template.Spec.Description != "Second." || len(template.Spec.Manifests) != 2 {
		t.Errorf("after a newer program: %q with %d manifests", template.Spec.Description, len(template.Spec.Manifests))
	}
	template := apply("Third.", 3)
	if template.Spec.Description != "Third." || len(template.Spec.Manifests) != 3 {
		t.Errorf("after the next: %q with %d manifests", template.Spec.Description, len(template.Spec.Manifests))
	}
	template.Spec.Manifests = template.Spec.Manifests[:1]
	if err := c.Update(t.Context(), template); err != nil {
		t.Fatal(err)
	}
	if template = apply("Fourth.", 3); template.Spec.Description != "Third." || len(template.Spec.Manifests) != 1 {
		t.Errorf("after an edit: %q with %d manifests, want what the user left", template.Spec.Description, len(template.Spec.Manifests))
	}
	if err := c.Delete(t.Context(), template); err != nil {
		t.Fatal(err)
	}
}

// TestOptionalKindAppearsLater leaves out what the cluster does not serve, and makes
// it as soon as it does.
func TestOptionalKindAppearsLater(t *testing.T) {
	c := newClient(t)
	p := startProgram(t)
	namespace := newNamespace(t, c)
	definition := widgets(namespace)
	template := &v1alpha1.DeploymentTemplate{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}, Spec: templateSpec(t, "optional", 2)}
	template.Spec.Manifests = append(template.Spec.Manifests, v1alpha1.TemplateManifest{
		Name: "widget", Optional: true, Manifest: manifest(t, fmt.Sprintf(`
apiVersion: %s/v1
kind: Widget
metadata:
  name: ${ names.record }
spec:
  class: ${ record.class }
`, definition.Spec.Group)),
	})
	if err := c.Create(t.Context(), template); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.WithoutCancel(t.Context()), template) })
	unit := newUnit(namespace, pinned(template.Name))
	p.deploy(t, unit)
	p.waitFor(t, unit.GetId(), "the unit runs without the optional object", running)

	if err := c.Create(t.Context(), definition); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.WithoutCancel(t.Context()), definition) })
	eventually(t, "the optional object is made", func(ctx context.Context) error {
		made := &unstructured.UnstructuredList{}
		made.SetGroupVersionKind(schema.GroupVersionKind{Group: definition.Spec.Group, Version: "v1", Kind: "WidgetList"})
		if err := c.List(ctx, made, client.InNamespace(namespace)); err != nil {
			return err
		}
		if len(made.Items) != 1 {
			return fmt.Errorf("there are %d", len(made.Items))
		}
		return nil
	})
	p.waitFor(t, unit.GetId(), "the unit still runs", running)
}

// widgets defines a kind in a group of its own.
func widgets(name string) *apiextensionsv1.CustomResourceDefinition {
	group := name + ".example.com"
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "widgets." + group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: group,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Singular: "widget", Kind: "Widget", ListKind: "WidgetList"},
			Scope: apiextensionsv1.NamespaceScoped,
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object", XPreserveUnknownFields: new(true),
				}},
			}},
		},
	}
}

// TestBetterTemplateIsForNewRecords leaves what runs alone when a template appears
// that scores higher, and uses it for what is new and what is asked for anew.
func TestBetterTemplateIsForNewRecords(t *testing.T) {
	c := newClient(t)
	p := startProgram(t)
	namespace := newNamespace(t, c)
	environment := newEnvironment(t, c, v1alpha1.EnvironmentConfigSpec{})
	unitOf := func(id string) *deploymentv1.DeploymentUnit {
		return newUnit(namespace, func(u *deploymentv1.DeploymentUnit) { u.Id, u.Environment = namespace+"-"+id, environment.Name })
	}
	old := unitOf("old")
	p.deploy(t, old)
	p.waitFor(t, old.GetId(), "the unit runs", running)

	better := &v1alpha1.DeploymentTemplate{ObjectMeta: metav1.ObjectMeta{GenerateName: "better-"}, Spec: templateSpec(t, "better", 2)}
	better.Spec.SelectionCriteria = v1alpha1.SelectionCriteria{Environments: []string{environment.Name}, Priority: 100}
	if err := c.Create(t.Context(), better); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.WithoutCancel(t.Context()), better) })
	waitForTemplate(t, c, better, "is checked", func(s *v1alpha1.DeploymentTemplateStatus) bool {
		return meta.IsStatusConditionTrue(s.Conditions, v1alpha1.TemplateValid)
	})
	fresh := unitOf("new")
	p.deploy(t, fresh)
	chosen := func(template string) func(*deploymentv1.DeploymentRecord) bool {
		return func(r *deploymentv1.DeploymentRecord) bool {
			return running(r) && r.GetStatus().GetSelectedTemplate() == template
		}
	}
	p.waitFor(t, fresh.GetId(), "a new unit runs by the better template", chosen(better.Name))
	p.waitFor(t, old.GetId(), "the old one runs as before", chosen("deployment"))

	old.NfrRequirements = &deploymentv1.NfrRequirements{MinThroughputRps: new(int64(10))}
	p.deploy(t, old)
	p.waitFor(t, old.GetId(), "what is asked for anew is chosen for anew", chosen(better.Name))
}
