// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	oaasv1alpha1 "oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// runsOwnTemplate brings a template of the user's own, runs a class by it, and takes
// it away again.
func runsOwnTemplate(t *testing.T, s *site) {
	t.Helper()
	const file, name = "test/e2e/testdata/standing.yaml", "standing"
	namespace := s.newNamespace(t, name)
	content, err := os.ReadFile("testdata/standing.yaml")
	if err != nil {
		t.Fatal(err)
	}
	wrong := edited(t, string(content), edit{"${ item.replicas }", "${ item.replica }"})
	if message := s.refused(t, wrong, "kubectl apply --dry-run=server -f -"); !strings.Contains(message, "undefined field 'replica'") {
		t.Errorf("the refusal does not tell what is wrong with the template: %s", message)
	}
	s.must(t, "", "kubectl apply -f "+file)
	s.must(t, "", "kubectl wait dtpl/"+name+" --for=condition=Usable --timeout=180s")

	manifest := edited(t, s.example(t, "echo.yaml"), pin(name))
	s.must(t, manifest, "kubectl oaas deploy --wait -n "+namespace+" -f -")
	f := function{s, namespace, "Echo.echo"}
	f.mustAnswer(t, s.onlyUnit(t, namespace, "echo").DeploymentID)
	if got, err := f.call(t.Context(), "who?"); err != nil || got.Hostname != name {
		t.Errorf("%+v answers (%v), want a pod as the template makes it", got, err)
	}
	record, err := s.record(t.Context(), namespace)
	if err != nil {
		t.Fatal(err)
	}
	if got := record.Status.SelectedTemplate; got != name {
		t.Errorf("the record runs by template %q", got)
	}
	if told := record.Status.FunctionContainerStatus; len(told) != 1 || told[0].ReadyReplicas != told[0].Replicas || told[0].Replicas == 0 {
		t.Errorf("the record tells of the functions %+v, want all replicas of the one to be ready", told)
	}
	if got := s.must(t, "", "kubectl get configmap -n "+namespace+" -l "+oaasv1alpha1.LabelDeploymentID+" -o jsonpath='{.items[*].data.functions}'"); got != "Echo.echo" {
		t.Errorf("the list of functions is %q", got)
	}

	// It stays as long as a record needs it.
	s.must(t, "", "kubectl wait dtpl/"+name+" --for=jsonpath='{.status.records}'=1 --timeout=180s")
	s.must(t, "", "kubectl delete dtpl "+name+" --wait=false")
	sets := s.kube.AppsV1().ReplicaSets(namespace)
	old, err := sets.List(t.Context(), f.selector())
	if err != nil {
		t.Fatal(err)
	}
	if len(old.Items) != 1 {
		t.Fatalf("there are %d ReplicaSets, want one", len(old.Items))
	}
	if err := sets.Delete(t.Context(), old.Items[0].Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the deleted workload to be made again by the template", func(ctx context.Context) error {
		found, err := sets.Get(ctx, old.Items[0].Name, metav1.GetOptions{})
		if err == nil && (found.UID == old.Items[0].UID || found.Status.AvailableReplicas == 0) {
			err = errors.New("no new one serves")
		}
		return err
	})
	s.must(t, manifest, "kubectl oaas delete --wait -n "+namespace+" -f -")
	eventually(t, "nothing to be left", func(ctx context.Context) error { return s.leftovers(ctx, namespace) })
	s.must(t, "", "kubectl wait dtpl/"+name+" --for=delete --timeout=180s")
	s.must(t, "", "kubectl delete --ignore-not-found -f "+file)
}
