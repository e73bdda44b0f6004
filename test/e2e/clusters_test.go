// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/platform"
	oaasv1alpha1 "oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// A class for two environments, each of which another cluster hosts.
func TestClassInTwoEnvironmentsOnTwoClusters(t *testing.T) {
	hub, west := startTwoClusters(t)
	hub.must(t, "", `kubectl patch cluster hub --type merge -p '{"spec":{"environments":["cloud"]}}'`)
	hub.must(t, "", `kubectl patch cluster west --type merge -p '{"spec":{"environments":["edge"],"region":"west"}}'`)
	const namespace = "shop"
	hub.newNamespace(t, namespace)
	west.newNamespace(t, namespace)

	hub.must(t, "", "kubectl oaas deploy --wait -n "+namespace+" -f artifacts/examples/multi-env.yaml")
	list, err := hub.oaas.PmV1alpha1().ClassDeployments(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 {
		t.Fatalf("there are %d class deployments, want one", len(list.Items))
	}
	deployment := &list.Items[0]
	if err := hasCondition(deployment.Status.Conditions, pmv1alpha1.ClassDeploymentAvailable, metav1.ConditionTrue); err != nil {
		t.Error(err)
	}
	placed := map[string]string{}
	for _, unit := range deployment.Status.Units {
		placed[unit.Environment] = unit.Cluster
		if !unit.Available {
			t.Errorf("unit %s on %s is not available: %s", unit.DeploymentID, unit.Cluster, unit.Message)
		}
	}
	if want := map[string]string{"cloud": "hub", "edge": "west"}; !maps.Equal(placed, want) {
		t.Fatalf("the environments are on %v, want %v", placed, want)
	}
	for environment, s := range map[string]*site{"cloud": hub, "edge": west} {
		if err := s.runs(t.Context(), namespace, environment, "shop.pay", "shop.price"); err != nil {
			t.Errorf("on %s: %v", s.cluster.Name(), err)
		}
	}

	hub.must(t, "", "kubectl oaas delete --wait -n "+namespace+" -f artifacts/examples/multi-env.yaml")
	for _, s := range []*site{hub, west} {
		eventually(t, "nothing to be left on "+s.cluster.Name(), func(ctx context.Context) error { return s.leftovers(ctx, namespace) })
	}
}

// runs says what is wrong unless a cluster runs exactly the given functions for
// an environment.
func (s *site) runs(ctx context.Context, namespace, environment string, keys ...string) error {
	list, err := s.kube.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing workloads: %w", err)
	}
	var found []string
	var problems []error
	for _, workload := range list.Items {
		found = append(found, workload.Labels[oaasv1alpha1.LabelFunction])
		if got := workload.Labels[oaasv1alpha1.LabelEnvironment]; got != environment {
			problems = append(problems, fmt.Errorf("%s is for environment %q, want %q", workload.Name, got, environment))
		}
		if workload.Status.AvailableReplicas == 0 {
			problems = append(problems, fmt.Errorf("%s has no available replica", workload.Name))
		}
	}
	if slices.Sort(found); !slices.Equal(found, keys) {
		problems = append(problems, fmt.Errorf("it runs %v, want %v", found, keys))
	}
	return errors.Join(problems...)
}

func startTwoClusters(t *testing.T) (hub, west *site) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	t.Cleanup(cancel)
	var clusters []*cluster.Cluster
	for _, name := range []string{"hub", "west"} {
		c, err := cluster.Start(ctx, cluster.Options{Name: name, Progress: steps()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		})
		clusters = append(clusters, c)
	}
	if _, err := platform.Start(ctx, platform.Options{Hub: clusters[0], Members: clusters, Progress: steps()}); err != nil {
		t.Fatal(err)
	}
	return newSite(t, clusters[0]), newSite(t, clusters[1])
}
