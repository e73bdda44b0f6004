// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/crmclient"
	"oaas.io/oaas/pkg/generated/clientset/versioned/fake"
	"oaas.io/oaas/pkg/generated/informers/externalversions"
)

// A status of the link to an old endpoint would say of a new one that it answers.
func TestTheStatusWaitsForTheLinkToFollowTheSpec(t *testing.T) {
	present := &pmv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "a", UID: "present", Generation: 2},
		Spec:       pmv1alpha1.ClusterSpec{Endpoint: "127.0.0.1:1", TLS: &pmv1alpha1.ClusterTLS{CABundle: []byte("none")}},
	}
	client := fake.NewClientset(present)
	pool := crmclient.NewPool(crmclient.Options{})
	t.Cleanup(pool.Close)
	factory := externalversions.NewSharedInformerFactory(client, 0).Pm().V1alpha1()
	clusters := factory.Clusters()
	if err := clusters.Informer().GetIndexer().Add(present); err != nil {
		t.Fatal(err)
	}
	controller, err := New(Config{Client: client, Clusters: clusters, ClassDeployments: factory.ClassDeployments(), Pool: pool, Events: events.NewFakeRecorder(10)})
	if err != nil {
		t.Fatal(err)
	}
	reconcile := func() *pmv1alpha1.Cluster {
		t.Helper()
		if again, err := controller.reconcile(t.Context(), "a"); err != nil || again != DefaultInterval {
			t.Fatalf("reconcile again after %s, error %v", again, err)
		}
		stored, err := client.PmV1alpha1().Clusters().Get(t.Context(), "a", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return stored
	}

	older, namesake := present.DeepCopy(), present.DeepCopy()
	older.Generation, namesake.UID = 1, "gone"
	for sentence, linked := range map[string]*pmv1alpha1.Cluster{
		"no link was tried yet":                          nil,
		"the link is of an older spec":                   older,
		"the link is of another object of the same name": namesake,
	} {
		if linked != nil {
			if _, err := pool.Ensure(t.Context(), linked); err == nil {
				t.Fatal("a bundle that is none made a link")
			}
		}
		if stored := reconcile(); len(stored.Status.Conditions) > 0 {
			t.Errorf("when %s, the status is %+v", sentence, stored.Status)
		}
		pool.Remove("a")
	}

	if _, err := pool.Ensure(t.Context(), present); err == nil {
		t.Fatal("a bundle that is none made a link")
	}
	stored := reconcile()
	if conditions := stored.Status.Conditions; len(conditions) != 1 || conditions[0].Reason != ReasonNoLink || stored.Status.ObservedGeneration != 2 {
		t.Errorf("status is %+v, want %s of generation 2", stored.Status, ReasonNoLink)
	}
}
