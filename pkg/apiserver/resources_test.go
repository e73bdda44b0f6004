// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

func TestResources(t *testing.T) {
	s := runServer(t, dataFolder(t))
	tests := map[string]func(probe){
		"a spec writer changes the generation and never the status":     specWriterLeavesStatus,
		"a status writer changes the status and nothing else":           statusWriterLeavesSpec,
		"a status cannot be put on an object that is not there":         statusNeedsObject,
		"a PUT creates what is not there":                               putCreates,
		"defaults are filled in":                                        defaultsAreFilledIn,
		"a class deployment is kept until its finalizer is taken away":  deploymentIsKept,
		"a replaced class deployment keeps its finalizer":               finalizerSurvivesReplace,
		"a dry run stores nothing":                                      dryRunStoresNothing,
		"invalid objects are refused with all errors at once":           invalidIsRefused,
		"two field managers conflict over one field":                    managersConflict,
		"every selectable field selects":                                fieldsSelect,
		"a list comes in pages and a collection is deleted":             listInPages,
		"an informer synchronises from a streamed list":                 informerSynchronises,
		"objects are stored as protobuf under the group's prefix":       storedAsProtobuf,
		"a table shows what kubectl prints":                             tableShows,
		"discovery tells short names, categories and verbs":             discoveryTells,
		"OpenAPI describes the kinds for explain and server-side apply": openAPIDescribes,
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) { test(probe{t, s}) })
	}
}

func specWriterLeavesStatus(s probe) {
	client := s.client.PmV1alpha1().Packages(namespace)
	p := echoPackage("spec-writer")
	p.Generation = 7
	p.Status.Deployments = []string{"forged"}
	p = must(client.Create(s.Context(), p, metav1.CreateOptions{}))(s.T)
	if p.Generation != 1 || len(p.Status.Deployments) != 0 {
		s.Errorf("created with generation %d and status %v, want 1 and none", p.Generation, p.Status)
	}

	p.Labels = map[string]string{"a": "b"}
	p.Status.Deployments = []string{"forged"}
	p = must(client.Update(s.Context(), p, metav1.UpdateOptions{}))(s.T)
	if p.Generation != 1 || len(p.Status.Deployments) != 0 {
		s.Errorf("a label gave generation %d and status %v, want 1 and none", p.Generation, p.Status)
	}

	p.Spec.Description = "changed"
	p = must(client.Update(s.Context(), p, metav1.UpdateOptions{}))(s.T)
	if p.Generation != 2 {
		s.Errorf("a changed spec gave generation %d, want 2", p.Generation)
	}
}

func statusWriterLeavesSpec(s probe) {
	client := s.client.PmV1alpha1().Packages(namespace)
	p := must(client.Create(s.Context(), echoPackage("status-writer"), metav1.CreateOptions{}))(s.T)
	p.Spec.Version = "2.0"
	p.Labels = map[string]string{"a": "b"}
	p.Finalizers = []string{"example.com/forged"}
	p.Status.Deployments = []string{"echo"}
	p = must(client.UpdateStatus(s.Context(), p, metav1.UpdateOptions{}))(s.T)
	if p.Spec.Version != "1.0" || p.Generation != 1 || len(p.Labels) != 0 || len(p.Finalizers) != 0 {
		s.Errorf("a status writer changed more than the status: %+v", p)
	}
	if diff := cmp.Diff([]string{"echo"}, p.Status.Deployments); diff != "" {
		s.Errorf("status differs (-want +got):\n%s", diff)
	}
}

func statusNeedsObject(s probe) {
	p := echoPackage("not-there")
	if _, err := s.client.PmV1alpha1().Packages(namespace).UpdateStatus(s.Context(), p, metav1.UpdateOptions{}); !apierrors.IsNotFound(err) {
		s.Errorf("got %v, want not found", err)
	}
}

func putCreates(s probe) {
	p := must(s.client.PmV1alpha1().Packages(namespace).Update(s.Context(), echoPackage("put"), metav1.UpdateOptions{}))(s.T)
	if p.UID == "" || p.Generation != 1 {
		s.Errorf("created with UID %q and generation %d", p.UID, p.Generation)
	}
}

func defaultsAreFilledIn(s probe) {
	p := must(s.client.PmV1alpha1().Packages(namespace).Create(s.Context(), echoPackage("defaults"), metav1.CreateOptions{}))(s.T)
	function, binding := p.Spec.Functions[0], p.Spec.Classes[0].FunctionBindings[0]
	if function.Type != v1alpha1.FunctionCustom || function.Provision.Port != v1alpha1.DefaultFunctionPort || binding.AccessModifier != v1alpha1.AccessPublic {
		s.Errorf("defaults are missing: type %q, port %d, access %q", function.Type, function.Provision.Port, binding.AccessModifier)
	}
}

func deploymentIsKept(s probe) {
	client := s.client.PmV1alpha1().ClassDeployments(namespace)
	d := must(client.Create(s.Context(), echoDeployment("kept"), metav1.CreateOptions{}))(s.T)
	if err := client.Delete(s.Context(), d.Name, metav1.DeleteOptions{}); err != nil {
		s.Fatal(err)
	}
	d = must(client.Get(s.Context(), d.Name, metav1.GetOptions{}))(s.T)
	if d.DeletionTimestamp == nil || !slices.Contains(d.Finalizers, v1alpha1.ClassDeploymentFinalizer) {
		s.Fatalf("a deleted deployment has deletionTimestamp %v and finalizers %v", d.DeletionTimestamp, d.Finalizers)
	}
	d.Finalizers = nil
	if _, err := client.Update(s.Context(), d, metav1.UpdateOptions{}); err != nil {
		s.Fatal(err)
	}
	if _, err := client.Get(s.Context(), d.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		s.Errorf("without its finalizer the deployment should be gone, got %v", err)
	}
}

func finalizerSurvivesReplace(s probe) {
	client := s.client.PmV1alpha1().ClassDeployments(namespace)
	must(client.Create(s.Context(), echoDeployment("replaced"), metav1.CreateOptions{}))(s.T)
	d := must(client.Update(s.Context(), echoDeployment("replaced"), metav1.UpdateOptions{}))(s.T)
	if diff := cmp.Diff([]string{v1alpha1.ClassDeploymentFinalizer}, d.Finalizers); diff != "" {
		s.Errorf("finalizers differ (-want +got):\n%s", diff)
	}
}

func dryRunStoresNothing(s probe) {
	client := s.client.PmV1alpha1().Packages(namespace)
	all := []string{metav1.DryRunAll}
	p := must(client.Create(s.Context(), echoPackage("dry"), metav1.CreateOptions{DryRun: all}))(s.T)
	if p.UID == "" {
		s.Error("a dry run should answer as a real one")
	}
	if _, err := client.Get(s.Context(), "dry", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		s.Errorf("a dry run stored the package: %v", err)
	}
	invalid := echoPackage("dry")
	invalid.Spec.Version = "x"
	if _, err := client.Create(s.Context(), invalid, metav1.CreateOptions{DryRun: all}); !apierrors.IsInvalid(err) {
		s.Errorf("a dry run should validate, got %v", err)
	}
}

func invalidIsRefused(s probe) {
	p := echoPackage("Invalid")
	p.Spec.Version = "x"
	p.Spec.Functions[0].Provision.Port = 70000
	_, err := s.client.PmV1alpha1().Packages(namespace).Create(s.Context(), p, metav1.CreateOptions{})
	if !apierrors.IsInvalid(err) {
		s.Fatalf("got %v, want 422 Invalid", err)
	}
	var fields []string
	for _, cause := range err.(apierrors.APIStatus).Status().Details.Causes {
		fields = append(fields, cause.Field)
	}
	want := []string{"metadata.name", "spec.version", "spec.functions[0].provision.port"}
	if diff := cmp.Diff(want, fields); diff != "" {
		s.Errorf("fields differ (-want +got):\n%s", diff)
	}
}

func managersConflict(s probe) {
	client := s.client.PmV1alpha1().Packages(namespace)
	apply := func(manager, version string) error {
		body := fmt.Appendf(nil, `{"apiVersion":"pm.oaas.io/v1alpha1","kind":"Package","metadata":{"name":"applied"},"spec":{"version":%q}}`, version)
		_, err := client.Patch(s.Context(), "applied", types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: manager})
		return err
	}
	if err := apply("one", "1.0"); err != nil {
		s.Fatal(err)
	}
	if err := apply("two", "2.0"); !apierrors.IsConflict(err) {
		s.Errorf("got %v, want a conflict", err)
	}
	if err := apply("one", "2.0"); err != nil {
		s.Errorf("the owner may change its field: %v", err)
	}
}

func storedAsProtobuf(s probe) {
	must(s.client.PmV1alpha1().Packages(namespace).Create(s.Context(), echoPackage("stored"), metav1.CreateOptions{}))(s.T)
	client := must(clientv3.New(clientv3.Config{Endpoints: []string{s.etcd}, DialTimeout: 10 * time.Second}))(s.T)
	defer client.Close()
	response := must(client.Get(s.Context(), "/registry/pm.oaas.io/packages/shop/stored"))(s.T)
	if len(response.Kvs) != 1 {
		s.Fatalf("found %d keys, want 1", len(response.Kvs))
	}
	if !bytes.HasPrefix(response.Kvs[0].Value, []byte("k8s\x00")) {
		s.Errorf("stored as %.20q, want protobuf", response.Kvs[0].Value)
	}
}

func TestObjectsSurviveARestart(t *testing.T) {
	dir := dataFolder(t)
	first := runServer(t, dir)
	created := must(first.client.PmV1alpha1().Packages(namespace).Create(t.Context(), echoPackage("durable"), metav1.CreateOptions{}))(t)
	first.stop()

	second := runServer(t, dir)
	found := must(second.client.PmV1alpha1().Packages(namespace).Get(t.Context(), "durable", metav1.GetOptions{}))(t)
	if diff := cmp.Diff(created, found); diff != "" {
		t.Errorf("the package differs after a restart (-before +after):\n%s", diff)
	}
}
