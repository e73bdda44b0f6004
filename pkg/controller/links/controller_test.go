// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package links

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	clienttesting "k8s.io/client-go/testing"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/crmclient"
	"oaas.io/oaas/pkg/generated/clientset/versioned/fake"
	"oaas.io/oaas/pkg/generated/informers/externalversions"
	"oaas.io/oaas/pkg/internal/polltest"
)

// vault holds one Secret in memory.
type vault struct {
	mu      sync.Mutex
	content map[string][]byte
}

func (v *vault) ReadSecret(context.Context, string, string) (map[string][]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.content == nil {
		return nil, errors.New("not found")
	}
	return v.content, nil
}

func (v *vault) set(token string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.content = map[string][]byte{"token": []byte(token)}
}

// run runs the controller over the given clusters.
func run(t *testing.T, secrets crmclient.SecretReader, clusters ...*pmv1alpha1.Cluster) (*fake.Clientset, *crmclient.Pool) {
	t.Helper()
	client := fake.NewClientset()
	for _, cluster := range clusters {
		if err := client.Tracker().Add(cluster); err != nil {
			t.Fatal(err)
		}
	}
	// The fake tells of nothing that happens between an informer's list and its watch.
	watching := make(chan struct{})
	watched := sync.OnceFunc(func() { close(watching) })
	client.PrependWatchReactor("clusters", func(action clienttesting.Action) (bool, watch.Interface, error) {
		w, err := client.Tracker().Watch(action.GetResource(), action.GetNamespace())
		watched()
		return true, w, err
	})
	pool := crmclient.NewPool(crmclient.Options{Secrets: secrets})
	factory := externalversions.NewSharedInformerFactory(client, 0)
	controller, err := New(Config{Clusters: factory.Pm().V1alpha1().Clusters(), Pool: pool, Interval: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	factory.StartWithContext(ctx)
	done := make(chan error, 1)
	go func() { done <- controller.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("running the controller: %v", err)
		}
		factory.Shutdown()
		pool.Close()
	})
	<-watching
	return client, pool
}

func cluster(name, endpoint string) *pmv1alpha1.Cluster {
	return &pmv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: "uid", Generation: 1},
		Spec:       pmv1alpha1.ClusterSpec{Endpoint: endpoint},
	}
}

func withToken(c *pmv1alpha1.Cluster) *pmv1alpha1.Cluster {
	c.Spec.TLS = &pmv1alpha1.ClusterTLS{}
	c.Spec.Auth = &pmv1alpha1.ClusterAuth{
		Type: pmv1alpha1.ClusterAuthBearer, SecretRef: &pmv1alpha1.SecretReference{Namespace: "oaas-system", Name: "crm"},
	}
	return c
}

func TestThePoolIsCompleteOnceEveryClusterHadItsTurn(t *testing.T) {
	_, pool := run(t, &vault{}, cluster("a", "127.0.0.1:1"), cluster("b", "127.0.0.1:2"), withToken(cluster("c", "127.0.0.1:3")))
	select {
	case <-pool.Complete():
	case <-time.After(time.Minute):
		t.Fatal("the pool is not complete")
	}
	states := pool.States()
	if len(states) != 3 || states[0].Link == nil || states[1].Link == nil || states[2].Err == nil {
		t.Errorf("states are %+v, want two links and a cluster whose Secret is missing", states)
	}
}

func TestAPoolWithoutClustersIsComplete(t *testing.T) {
	_, pool := run(t, nil)
	select {
	case <-pool.Complete():
	case <-time.After(time.Minute):
		t.Fatal("the pool is not complete")
	}
}

func TestLinksFollowTheClusters(t *testing.T) {
	client, pool := run(t, nil, cluster("a", "127.0.0.1:1"))
	clusters := client.PmV1alpha1().Clusters()
	polltest.Until(t, "a link", func() bool { _, ok := pool.Get("a"); return ok })
	first, _ := pool.Get("a")

	moved := cluster("a", "127.0.0.1:2")
	moved.Generation = 2
	if _, err := clusters.Update(t.Context(), moved, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	polltest.Until(t, "a link to the new endpoint", func() bool {
		link, ok := pool.Get("a")
		return ok && link != first
	})
	if state, _ := pool.State("a"); state.Generation != 2 {
		t.Errorf("the link is of generation %d, want 2", state.Generation)
	}

	// Another object of the same name, and with a generation that was seen before.
	again := cluster("a", "127.0.0.1:2")
	again.UID = "another"
	if _, err := clusters.Update(t.Context(), again, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	polltest.Until(t, "the link to be of the new object", func() bool {
		state, _ := pool.State("a")
		return state.UID == "another"
	})

	if err := clusters.Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	polltest.Until(t, "no link", func() bool { _, ok := pool.State("a"); return !ok })
}

func TestARenewedSecretGetsIntoUse(t *testing.T) {
	secrets := &vault{}
	_, pool := run(t, secrets, withToken(cluster("a", "127.0.0.1:1")))
	<-pool.Complete()
	secrets.set("first")
	polltest.Until(t, "a link", func() bool { _, ok := pool.Get("a"); return ok })
	first, _ := pool.Get("a")
	secrets.set("second")
	polltest.Until(t, "a link with the renewed identity", func() bool {
		link, ok := pool.Get("a")
		return ok && link != first
	})
}
