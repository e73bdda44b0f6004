// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// The events of a class deployment are its transitions, each told once: on its
// way up, when it fails, and when it recovers.
func TestEventsTellEachTransitionOnce(t *testing.T) {
	namespace := newNamespace(t)
	// There is no class of that name yet.
	mustKubectl(t, strings.ReplaceAll(shopPackage, "key: Cart\n", "key: Basket\n"), "apply", "-n", namespace, "-f", "-")
	mustKubectl(t, strings.Replace(cartDeployment, `, availability: "0.99"`, "", 1), "apply", "-n", namespace, "-f", "-")
	expectEvents(t, namespace, "ClassDeployment", "cart", "Warning ClassNotFound x1")

	mustKubectl(t, shopPackage, "apply", "-n", namespace, "-f", "-")
	waitAvailable(t, namespace, "cart")
	up := []string{"Warning ClassNotFound x1", "Normal Planned x1", "Normal Accepted x1", "Normal UnitsAvailable x1"}
	expectEvents(t, namespace, "ClassDeployment", "cart", up...)
	quietVersions(t, namespace)
	expectEvents(t, namespace, "ClassDeployment", "cart", up...)

	described := mustKubectl(t, "", "describe", "classdeployment", "cart", "-n", namespace)
	_, events, _ := strings.Cut(described, "\nEvents:")
	for _, want := range []string{"Planned", "Accepted", "UnitsAvailable", "1 unit available", "oaas-apiserver"} {
		if !strings.Contains(events, want) {
			t.Errorf("%q is missing among the events of:\n%s", want, described)
		}
	}
}

// A cluster that goes away and comes back is told about, on itself and on what
// runs there.
func TestEventsTellOfAClusterThatGoesAndComesBack(t *testing.T) {
	namespace := newNamespace(t)
	mustKubectl(t, shopPackage+"---\n"+strings.Replace(cartDeployment, `, availability: "0.99"`, "", 1), "apply", "-n", namespace, "-f", "-")
	waitAvailable(t, namespace, "cart")
	up := []string{"Normal Planned x1", "Normal Accepted x1"}
	expectEvents(t, namespace, "ClassDeployment", "cart", append(up, "Normal UnitsAvailable x1")...)
	watched := watchedCluster(t)
	expectEvents(t, "default", "Cluster", watched, "Normal Answering x1")

	crm := platform.RuntimeManager("hub")
	if err := hub.platform.Kill(t.Context(), crm); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { restart(t, crm) })
	expectEvents(t, namespace, "ClassDeployment", "cart", append(up, "Normal UnitsAvailable x1", "Warning ClusterUnreachable x1")...)
	expectEvents(t, "default", "Cluster", watched, "Normal Answering x1", "Warning Unreachable x1")
	restart(t, crm)
	waitAvailable(t, namespace, "cart")
	// The same transition for the second time counts up the event that is there.
	expectEvents(t, namespace, "ClassDeployment", "cart", append(up, "Normal UnitsAvailable x2", "Warning ClusterUnreachable x1")...)
	expectEvents(t, "default", "Cluster", watched, "Normal Answering x2", "Warning Unreachable x1")
}

// watchedCluster is a second Cluster for the hub, which nothing was told of yet.
func watchedCluster(t *testing.T) string {
	t.Helper()
	clusters := hub.oaas.PmV1alpha1().Clusters()
	known, err := clusters.Get(t.Context(), "hub", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	spec := *known.Spec.DeepCopy()
	spec.Default, spec.Unschedulable = false, true
	made, err := clusters.Create(t.Context(), &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{GenerateName: "watched-"}, Spec: spec}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := clusters.Delete(context.Background(), made.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	return made.Name
}

// expectEvents waits until the events of an object are exactly the given ones,
// in any order.
func expectEvents(t *testing.T, namespace, kind, name string, want ...string) {
	t.Helper()
	slices.Sort(want)
	eventually(t, "the events of "+name, func(context.Context) error {
		var got []string
		for event, count := range toldOf(t, namespace, kind, name) {
			got = append(got, fmt.Sprintf("%s x%d", event, count))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return fmt.Errorf("they are %q, want %q", got, want)
		}
		return nil
	})
}

// toldOf counts the events of an object by type and reason. Cluster-scoped
// objects have theirs in namespace default.
func toldOf(t *testing.T, namespace, kind, name string) map[string]int32 {
	t.Helper()
	list, err := hub.kube.EventsV1().Events(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]int32{}
	for i := range list.Items {
		event := &list.Items[i]
		if event.Regarding.Kind != kind || event.Regarding.Name != name {
			continue
		}
		// Whether the breaker opens depends on how many calls fail meanwhile.
		if strings.HasPrefix(event.Reason, "CircuitBreaker") {
			continue
		}
		count := int32(1)
		if event.Series != nil {
			count = event.Series.Count
		}
		told[event.Type+" "+event.Reason] += count
	}
	return told
}
