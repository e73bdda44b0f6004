// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// TestWrites holds what clients rely on when they change and remove objects.
func TestWrites(t *testing.T) {
	s := runServer(t, dataFolder(t))
	tests := map[string]func(probe){
		"a strategic merge patch changes one item of a list by its key": patchByKey,
		"a merge patch replaces a list and fills in its defaults":       mergePatchReplaces,
		"a manager that applies the same again changes nothing":         applyIsIdempotent,
		"a manager that stops applying an item removes it":              applyRemoves,
		"an object that etcd cannot store is refused as too large":      tooLargeIsTold,
		"a delete of another object of the name is refused":             deleteHoldsPreconditions,
		"a delete waits for no garbage collector where there is none":   deleteWaitsForNobody,
		"a collection with finalizers waits for them":                   collectionWaits,
		"a watch by a field tells when an object comes and leaves":      watchByField,
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) { test(probe{t, s}) })
	}
}

func twoFunctions(name string) *v1alpha1.Package {
	p := echoPackage(name)
	p.Spec.Functions = append(p.Spec.Functions, v1alpha1.FunctionDefinition{
		Key: "Echo.shout", Provision: &v1alpha1.FunctionProvision{Image: "acme/shout:1", Port: 9000},
	})
	return p
}

func images(p *v1alpha1.Package) []string {
	var all []string
	for _, f := range p.Spec.Functions {
		all = append(all, fmt.Sprintf("%s=%s:%d", f.Key, f.Provision.Image, f.Provision.Port))
	}
	return all
}

func patchByKey(s probe) {
	client := s.client.PmV1alpha1().Packages(namespace)
	must(client.Create(s.Context(), twoFunctions("by-key"), metav1.CreateOptions{}))(s.T)
	const change = `{"spec":{"functions":[{"key":"Echo.shout","provision":{"image":"acme/shout:2"}}],
		"classes":[{"key":"Echo","functionBindings":[{"name":"shout","functionKey":"Echo.shout"}]}]}}`
	p := must(client.Patch(s.Context(), "by-key", types.StrategicMergePatchType, []byte(change), metav1.PatchOptions{}))(s.T)
	if diff := cmp.Diff([]string{"Echo.echo=acme/echo:1:8080", "Echo.shout=acme/shout:2:9000"}, images(p)); diff != "" {
		s.Errorf("functions differ (-want +got):\n%s", diff)
	}
	if bindings := p.Spec.Classes[0].FunctionBindings; len(bindings) != 2 || p.Generation != 2 {
		s.Errorf("got %d bindings and generation %d, want 2 of each", len(bindings), p.Generation)
	}
	const remove = `{"spec":{"classes":[{"key":"Echo","functionBindings":[{"name":"shout","$patch":"delete"}]}],
		"functions":[{"key":"Echo.shout","$patch":"delete"}]}}`
	p = must(client.Patch(s.Context(), "by-key", types.StrategicMergePatchType, []byte(remove), metav1.PatchOptions{}))(s.T)
	if diff := cmp.Diff([]string{"Echo.echo=acme/echo:1:8080"}, images(p)); diff != "" {
		s.Errorf("functions differ (-want +got):\n%s", diff)
	}
}

func mergePatchReplaces(s probe) {
	client := s.client.PmV1alpha1().Packages(namespace)
	must(client.Create(s.Context(), twoFunctions("replaces"), metav1.CreateOptions{}))(s.T)
	const change = `{"spec":{"functions":[{"key":"Echo.echo","provision":{"image":"acme/echo:2"}}]}}`
	p := must(client.Patch(s.Context(), "replaces", types.MergePatchType, []byte(change), metav1.PatchOptions{}))(s.T)
	if diff := cmp.Diff([]string{"Echo.echo=acme/echo:2:8080"}, images(p)); diff != "" {
		s.Errorf("functions differ (-want +got):\n%s", diff)
	}
}

func applyAs(s probe, manager, name, functions string) *v1alpha1.Package {
	body := fmt.Sprintf(`{"apiVersion":"pm.oaas.io/v1alpha1","kind":"Package","metadata":{"name":%q},"spec":{"functions":[%s]}}`, name, functions)
	return must(s.client.PmV1alpha1().Packages(namespace).Patch(s.Context(), name, types.ApplyPatchType, []byte(body),
		metav1.PatchOptions{FieldManager: manager}))(s.T)
}

const (
	appliedEcho  = `{"key":"echo","provision":{"image":"acme/echo:1","resources":{"requests":{"cpu":"1000m"}}}}`
	appliedShout = `{"key":"shout","provision":{"image":"acme/shout:1"}}`
)

func applyIsIdempotent(s probe) {
	first := applyAs(s, "one", "idempotent", appliedEcho)
	again := applyAs(s, "one", "idempotent", appliedEcho)
	if diff := cmp.Diff(first, again); diff != "" {
		s.Errorf("the same applied again changed (-first +again):\n%s", diff)
	}
}

func applyRemoves(s probe) {
	applyAs(s, "one", "removes", appliedEcho+","+appliedShout)
	p := applyAs(s, "one", "removes", appliedShout)
	if diff := cmp.Diff([]string{"shout=acme/shout:1:8080"}, images(p)); diff != "" {
		s.Errorf("functions differ (-want +got):\n%s", diff)
	}
}

func tooLargeIsTold(s probe) {
	client := s.client.PmV1alpha1().Packages(namespace)
	// etcd refuses the first, its client already the second.
	for _, size := range []int{1_800_000, 2_500_000} {
		p := echoPackage("large")
		text := strings.Repeat("x", 4096)
		for i := range size / len(text) {
			p.Spec.Functions = append(p.Spec.Functions, v1alpha1.FunctionDefinition{
				Key: fmt.Sprint("f", i), Description: text, Provision: &v1alpha1.FunctionProvision{Image: "acme/f:1"},
			})
		}
		_, err := client.Create(s.Context(), p, metav1.CreateOptions{})
		if !apierrors.IsRequestEntityTooLargeError(err) || !strings.Contains(err.Error(), "split it") {
			s.Errorf("%d bytes: got %v, want 413 with a way out", size, err)
		}
	}
}

func deleteHoldsPreconditions(s probe) {
	client := s.client.PmV1alpha1().Packages(namespace)
	p := must(client.Create(s.Context(), echoPackage("held"), metav1.CreateOptions{}))(s.T)
	for _, wrong := range []metav1.Preconditions{{UID: new(types.UID("other"))}, {ResourceVersion: new("1")}} {
		if err := client.Delete(s.Context(), p.Name, metav1.DeleteOptions{Preconditions: &wrong}); !apierrors.IsConflict(err) {
			s.Errorf("with preconditions %+v: got %v, want a conflict", wrong, err)
		}
	}
	right := metav1.Preconditions{UID: &p.UID, ResourceVersion: &p.ResourceVersion}
	if err := client.Delete(s.Context(), p.Name, metav1.DeleteOptions{Preconditions: &right, GracePeriodSeconds: new(int64(30))}); err != nil {
		s.Error(err)
	}
	if _, err := client.Get(s.Context(), p.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		s.Errorf("after the delete: got %v, want not found; nothing here has a grace period", err)
	}
}

// deleteWaitsForNobody holds that a server without a host cluster promises nothing
// that only the garbage collector of one would do.
func deleteWaitsForNobody(s probe) {
	client := s.client.PmV1alpha1().Clusters()
	for _, policy := range []metav1.DeletionPropagation{
		metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan, metav1.DeletePropagationBackground,
	} {
		c := must(client.Create(s.Context(), &v1alpha1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Name: strings.ToLower(string(policy))}, Spec: v1alpha1.ClusterSpec{Endpoint: "crm.example.com:8443"},
		}, metav1.CreateOptions{}))(s.T)
		if err := client.Delete(s.Context(), c.Name, metav1.DeleteOptions{PropagationPolicy: &policy}); err != nil {
			s.Error(err)
		}
		if left, err := client.Get(s.Context(), c.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			s.Errorf("%s: got the finalizers %v (%v), want no such cluster: nobody here would take them away", policy, left.Finalizers, err)
		}
	}
}

func collectionWaits(s probe) {
	const own = "collection"
	client := s.client.PmV1alpha1().ClassDeployments(own)
	for _, name := range []string{"a", "b"} {
		d := echoDeployment(name)
		d.Namespace = own
		must(client.Create(s.Context(), d, metav1.CreateOptions{}))(s.T)
	}
	if err := client.DeleteCollection(s.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		s.Fatal(err)
	}
	left := must(client.List(s.Context(), metav1.ListOptions{}))(s.T)
	if len(left.Items) != 2 {
		s.Fatalf("%d deployments are left, want both", len(left.Items))
	}
	for i := range left.Items {
		if left.Items[i].DeletionTimestamp == nil {
			s.Errorf("%s is not being deleted", left.Items[i].Name)
		}
		// Adding to what is being deleted is refused, whoever asks.
		left.Items[i].Finalizers = append(left.Items[i].Finalizers, "example.com/late")
		if _, err := client.Update(s.Context(), &left.Items[i], metav1.UpdateOptions{}); !apierrors.IsInvalid(err) {
			s.Errorf("a late finalizer: got %v, want 422", err)
		}
	}
}

func watchByField(s probe) {
	const own = "watched"
	client := s.client.PmV1alpha1().Packages(own)
	watched := must(client.Watch(s.Context(), metav1.ListOptions{FieldSelector: "spec.disabled=true"}))(s.T)
	defer watched.Stop()
	p := echoPackage("p")
	p.Namespace = own
	p = must(client.Create(s.Context(), p, metav1.CreateOptions{}))(s.T)
	for _, disabled := range []bool{true, false} {
		p.Spec.Disabled = disabled
		p = must(client.Update(s.Context(), p, metav1.UpdateOptions{}))(s.T)
	}
	for _, want := range []watch.EventType{watch.Added, watch.Deleted} {
		select {
		case event := <-watched.ResultChan():
			if event.Type != want {
				s.Errorf("got %s, want %s", event.Type, want)
			}
		case <-time.After(readyWithin):
			s.Fatalf("no event, want %s", want)
		}
	}
}
