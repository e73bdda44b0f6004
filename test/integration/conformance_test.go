// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/retry"

	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// everyResource runs a test for each resource of the group.
func everyResource(t *testing.T, test func(t *testing.T, resource resources.Resource, s specimen)) {
	t.Helper()
	all := specimens()
	for _, resource := range resources.All() {
		s, found := all[resource.Plural]
		if !found {
			t.Errorf("there is no specimen of %s: add one, so that it is tested like the others", resource.Plural)
			continue
		}
		t.Run(resource.Plural, func(t *testing.T) { test(t, resource, s) })
	}
}

// What discovery tells is what the table of resources says, no more and no less.
func TestConformanceDiscovery(t *testing.T) {
	list, err := hub.oaas.Discovery().ServerResourcesForGroupVersion(v1alpha1.SchemeGroupVersion.String())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for _, resource := range resources.All() {
		want[resource.Plural] = resource.Verbs
		for name, verbs := range resource.Subresources {
			want[resource.Plural+"/"+name] = verbs
		}
	}
	got := map[string][]string{}
	for _, served := range list.APIResources {
		got[served.Name] = slices.Sorted(slices.Values(served.Verbs))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verbs by path (-table +served):\n%s", diff)
	}
	for _, served := range list.APIResources {
		i := slices.IndexFunc(resources.All(), func(r resources.Resource) bool { return r.Plural == served.Name })
		if i < 0 {
			continue
		}
		r := resources.All()[i]
		told := resources.Resource{Kind: served.Kind, Plural: served.Name, Singular: served.SingularName, ShortNames: served.ShortNames, ClusterScoped: !served.Namespaced}
		table := resources.Resource{Kind: r.Kind, Plural: r.Plural, Singular: r.Singular, ShortNames: r.ShortNames, ClusterScoped: r.ClusterScoped}
		if diff := cmp.Diff(table, told); diff != "" {
			t.Errorf("%s (-table +served):\n%s", r.Plural, diff)
		}
		if !slices.Equal(served.Categories, []string{resources.Category}) {
			t.Errorf("%s is in the categories %v", r.Plural, served.Categories)
		}
	}
}

// Every verb works, or is refused as one that the resource does not have.
func TestConformanceVerbs(t *testing.T) {
	everyResource(t, func(t *testing.T, resource resources.Resource, s specimen) {
		t.Helper()
		namespace := newNamespace(t)
		name := s.obtain(t, resource, namespace, "verbs")
		walk := walker{T: t, resource: resource, specimen: s, namespace: namespace, name: name, client: at(t, resource.Plural, namespace)}
		steps := map[string]func() error{
			"get": walk.get, "list": walk.list, "watch": walk.watch, "create": walk.create, "update": walk.update,
			"patch": walk.patch, "delete": walk.delete, "deletecollection": walk.deleteCollection,
		}
		// What takes the object away comes last.
		order := []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
		if missing := len(steps) - len(order); missing != 0 {
			t.Fatal("a verb is never tried")
		}
		for _, verb := range order {
			err := steps[verb]()
			switch served := slices.Contains(resource.Verbs, verb); {
			case served && err != nil:
				t.Errorf("%s: %v", verb, err)
			case !served && !apierrors.IsMethodNotSupported(err):
				t.Errorf("%s, which %s do not have: got %v, want that the method is not allowed", verb, resource.Plural, err)
			}
		}
	})
}

// walker tries the verbs of a resource on an object.
type walker struct {
	*testing.T
	resource        resources.Resource
	specimen        specimen
	namespace, name string
	client          dynamic.ResourceInterface
}

func (w walker) get() error {
	object, err := w.client.Get(w.Context(), w.name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if object.GroupVersionKind() != v1alpha1.SchemeGroupVersion.WithKind(w.resource.Kind) {
		return fmt.Errorf("it is a %s", object.GroupVersionKind())
	}
	born := object.GetCreationTimestamp()
	if object.GetUID() == "" || object.GetResourceVersion() == "" || born.IsZero() || object.GetNamespace() != w.expectedNamespace() {
		return fmt.Errorf("its metadata is incomplete: %v", object.Object["metadata"])
	}
	if _, err := w.client.Get(w.Context(), "nobody.nothing", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("what does not exist: got %w, want not found", err)
	}
	return nil
}

func (w walker) expectedNamespace() string {
	if w.resource.ClusterScoped {
		return ""
	}
	return w.namespace
}

func (w walker) list() error {
	lists := func(ctx context.Context, sentence string, options metav1.ListOptions) error {
		list, err := w.client.List(ctx, options)
		if err != nil {
			return fmt.Errorf("%s: %w", sentence, err)
		}
		if list.GetResourceVersion() == "" {
			return fmt.Errorf("%s: the list has no resource version", sentence)
		}
		found := slices.ContainsFunc(list.Items, func(o unstructured.Unstructured) bool { return o.GetName() == w.name })
		if !found && list.GetContinue() == "" {
			return fmt.Errorf("%s: %s is not among %d", sentence, w.name, len(list.Items))
		}
		return nil
	}
	for sentence, options := range map[string]metav1.ListOptions{
		"all":                      {},
		"one by its name":          {FieldSelector: "metadata.name=" + w.name},
		"in pages":                 {Limit: 1},
		"not of another namespace": {FieldSelector: "metadata.name!=other"},
	} {
		if err := lists(w.Context(), sentence, options); err != nil {
			return err
		}
	}
	// This may be the state of a moment ago.
	eventually(w.T, "a list of any state to have it", func(ctx context.Context) error {
		return lists(ctx, "any state will do", metav1.ListOptions{ResourceVersion: "0"})
	})
	for sentence, options := range map[string]metav1.ListOptions{
		"a name that nothing has":  {FieldSelector: "metadata.name=nothing"},
		"a label that nothing has": {LabelSelector: "no=where"},
	} {
		list, err := w.client.List(w.Context(), options)
		if err != nil || len(list.Items) != 0 {
			return fmt.Errorf("%s: %d objects, %w", sentence, len(list.Items), err)
		}
	}
	for _, field := range w.resource.Fields {
		if _, err := w.client.List(w.Context(), metav1.ListOptions{FieldSelector: field + "=unlikely"}); err != nil {
			return fmt.Errorf("by %s: %w", field, err)
		}
	}
	for sentence, options := range map[string]metav1.ListOptions{
		"a field that cannot be selected by": {FieldSelector: "spec.other=x"},
		"a continue token that is none":      {Continue: "bogus", Limit: 1},
		"a resource version that is none":    {ResourceVersion: "bogus"},
	} {
		if _, err := w.client.List(w.Context(), options); !apierrors.IsBadRequest(err) && !apierrors.IsInvalid(err) {
			return fmt.Errorf("%s: got %w, want a bad request", sentence, err)
		}
	}
	return nil
}

func (w walker) watch() error {
	watcher, err := w.client.Watch(w.Context(), metav1.ListOptions{TimeoutSeconds: new(int64(soon.Seconds()))})
	if err != nil {
		return err
	}
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		if object, ok := event.Object.(*unstructured.Unstructured); ok && object.GetName() == w.name {
			return nil
		}
	}
	return errors.New("it told nothing of the object that exists")
}

func (w walker) create() error {
	object := w.writable("created")
	if _, err := w.client.Create(w.Context(), object, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		return fmt.Errorf("dry run: %w", err)
	}
	if _, err := w.client.Get(w.Context(), object.GetName(), metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("a dry run left an object: %w", err)
	}
	created, err := w.client.Create(w.Context(), object, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if created.GetGeneration() != 1 {
		return fmt.Errorf("a new object has the generation %d", created.GetGeneration())
	}
	if _, err := w.client.Create(w.Context(), object, metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("the same again: got %w, want that it exists", err)
	}
	return w.client.Delete(w.Context(), object.GetName(), metav1.DeleteOptions{})
}

// writable is an object to send, for resources that take none as well.
func (w walker) writable(name string) *unstructured.Unstructured {
	if w.specimen.manifest != "" {
		return objectOf(w.T, w.specimen.manifest, name)
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind(w.resource.Kind))
	object.SetName(name)
	return object
}

func (w walker) update() error {
	var stale, updated *unstructured.Unstructured
	// A controller that notes its status in between wins, and the client tries again.
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		object, err := w.client.Get(w.Context(), w.name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		stale = object.DeepCopy()
		object.SetLabels(merged(object.GetLabels(), "touched", "yes"))
		updated, err = w.client.Update(w.Context(), object, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return err
	}
	if generation := stale.GetGeneration(); updated.GetGeneration() != generation {
		return fmt.Errorf("a label moved the generation from %d to %d", generation, updated.GetGeneration())
	}
	if _, err := w.client.Update(w.Context(), stale, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		return fmt.Errorf("an object that is out of date: got %w, want a conflict", err)
	}
	return nil
}

func merged(labels map[string]string, key, value string) map[string]string {
	all := maps.Clone(labels)
	if all == nil {
		all = map[string]string{}
	}
	all[key] = value
	return all
}

func (w walker) patch() error {
	for kind, body := range map[types.PatchType]string{
		types.MergePatchType:          `{"metadata":{"annotations":{"by":"merge"}}}`,
		types.JSONPatchType:           `[{"op":"add","path":"/metadata/labels/by","value":"json"}]`,
		types.StrategicMergePatchType: `{"metadata":{"annotations":{"and":"strategic"}}}`,
	} {
		if _, err := w.client.Patch(w.Context(), w.name, kind, []byte(body), metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	applied := w.writable(w.name)
	applied.SetLabels(map[string]string{"applied": "yes"})
	result, err := w.client.Apply(w.Context(), w.name, applied, metav1.ApplyOptions{FieldManager: "conformance", Force: true})
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	owns := slices.ContainsFunc(result.GetManagedFields(), func(entry metav1.ManagedFieldsEntry) bool {
		return entry.Manager == "conformance" && entry.Operation == metav1.ManagedFieldsOperationApply
	})
	if !owns {
		return fmt.Errorf("apply: the manager owns nothing: %v", result.GetManagedFields())
	}
	again, err := w.client.Apply(w.Context(), w.name, applied, metav1.ApplyOptions{FieldManager: "conformance"})
	if err != nil {
		return fmt.Errorf("apply again: %w", err)
	}
	if again.GetGeneration() != result.GetGeneration() {
		return fmt.Errorf("applying the same again moved the generation from %d to %d", result.GetGeneration(), again.GetGeneration())
	}
	return nil
}

func (w walker) delete() error {
	object, err := w.client.Get(w.Context(), w.name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if err := w.client.Delete(w.Context(), w.name, metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		return fmt.Errorf("dry run: %w", err)
	}
	other := types.UID("00000000-0000-0000-0000-000000000000")
	if err := w.client.Delete(w.Context(), w.name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}}); !apierrors.IsConflict(err) {
		return fmt.Errorf("an object of another UID: got %w, want a conflict", err)
	}
	uid := object.GetUID()
	return w.client.Delete(w.Context(), w.name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
}

func (w walker) deleteCollection() error {
	// By a label, since clusters are everybody's.
	if w.specimen.manifest != "" {
		for i := range 3 {
			object := w.writable(fmt.Sprint("collected-", i))
			object.SetLabels(map[string]string{"collected": "yes"})
			if _, err := w.client.Create(w.Context(), object, metav1.CreateOptions{}); err != nil {
				return err
			}
		}
	}
	chosen := metav1.ListOptions{LabelSelector: "collected=yes"}
	if err := w.client.DeleteCollection(w.Context(), metav1.DeleteOptions{}, chosen); err != nil {
		return err
	}
	eventually(w.T, "the collection to be gone", func(ctx context.Context) error {
		left, err := w.client.List(ctx, chosen)
		if err == nil && len(left.Items) > 0 {
			err = fmt.Errorf("%d are left", len(left.Items))
		}
		return err
	})
	return nil
}

// gvr is the resource as informers name it.
func gvr(resource resources.Resource) schema.GroupVersionResource {
	return v1alpha1.SchemeGroupVersion.WithResource(resource.Plural)
}
