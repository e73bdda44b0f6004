// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployment

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/crmclient"
	"oaas.io/oaas/pkg/generated/clientset/versioned/fake"
	"oaas.io/oaas/pkg/generated/informers/externalversions"
)

// The cache may still hold a deployment whose finalizer somebody took away. Its
// units must not be sent: nobody would remove them again.
func TestNothingIsSentForADeploymentThatOnlyTheCacheHas(t *testing.T) {
	deployment := &pmv1alpha1.ClassDeployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart", Finalizers: []string{pmv1alpha1.ClassDeploymentFinalizer}},
		Spec:       pmv1alpha1.ClassDeploymentSpec{PackageName: "store", ClassKey: "Cart"},
	}
	pkg := &pmv1alpha1.Package{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "store"},
		Spec:       pmv1alpha1.PackageSpec{Classes: []pmv1alpha1.ClassDefinition{{Key: "Cart"}}},
	}
	cluster := &pmv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Status: pmv1alpha1.ClusterStatus{Health: pmv1alpha1.ClusterHealthy}}
	owner := types.NamespacedName{Namespace: "shop", Name: "cart"}
	for sentence, test := range map[string]struct {
		client *fake.Clientset
		sent   int
	}{
		"one that is there": {fake.NewClientset(deployment.DeepCopy()), 1},
		"one that is gone":  {fake.NewClientset(), 0},
	} {
		t.Run(sentence, func(t *testing.T) {
			pool := crmclient.NewPool(crmclient.Options{})
			t.Cleanup(pool.Close)
			factory := externalversions.NewSharedInformerFactory(test.client, 0).Pm().V1alpha1()
			c, err := New(Config{
				Client: test.client, ClassDeployments: factory.ClassDeployments(), Packages: factory.Packages(), Clusters: factory.Clusters(),
				Pool: pool, Events: events.NewFakeRecorder(10),
			})
			if err != nil {
				t.Fatal(err)
			}
			for informer, object := range map[interface{ Add(any) error }]any{
				factory.ClassDeployments().Informer().GetIndexer(): deployment,
				factory.Packages().Informer().GetIndexer():         pkg,
				factory.Clusters().Informer().GetIndexer():         cluster,
			} {
				if err := informer.Add(object); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			started, ended := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(ended)
				c.dispatcher.run(ctx, started)
			}()
			<-started
			if _, err := c.reconcile(ctx, owner); err != nil {
				t.Error(err)
			}
			cancel()
			<-ended
			if got := len(c.dispatcher.tasks); got != test.sent {
				t.Errorf("%d units are sent, want %d", got, test.sent)
			}
		})
	}
}
