// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/generated/informers/externalversions"
)

// The live records of all clusters, as clients of the API see them. No controller
// runs: every replica follows the clusters by itself.
func TestDeploymentRecordsOfAllClusters(t *testing.T) {
	server := runServer(t, dataFolder(t))
	s := scene{T: t, client: server.client, namespace: "records"}
	a, b := newRemote(t), newRemote(t)
	a.deploy(t, "shop", "u1")
	s.cluster("a", a)
	s.cluster("b", b)

	factory := externalversions.NewSharedInformerFactory(server.client, 0)
	informed := factory.Pm().V1alpha1().DeploymentRecords()
	informer := informed.Informer()
	ctx, cancel := context.WithCancel(t.Context())
	defer factory.Shutdown()
	defer cancel()
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(t.Context().Done(), informer.HasSynced) {
		t.Fatal("the informer does not synchronise")
	}
	informedOf := func() []string {
		records, err := informed.Lister().List(labels.Everything())
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, record := range records {
			names = append(names, record.Namespace+"/"+record.Name)
		}
		slices.Sort(names)
		return names
	}
	waitForInformed := func(want ...string) {
		t.Helper()
		s.eventually(fmt.Sprintf("the informer to hold %q", want), func() bool { return slices.Equal(informedOf(), want) })
	}
	waitForInformed("shop/a.u1")
	b.deploy(t, "shop", "u1")
	b.deploy(t, "bakery", "u2")
	waitForInformed("bakery/b.u2", "shop/a.u1", "shop/b.u1")
	b.lose("u1")
	waitForInformed("bakery/b.u2", "shop/a.u1")

	ofB, err := server.client.PmV1alpha1().DeploymentRecords(metav1.NamespaceAll).List(t.Context(), metav1.ListOptions{FieldSelector: "spec.cluster=b"})
	if err != nil {
		t.Fatal(err)
	}
	if len(ofB.Items) != 1 || ofB.Items[0].Name != "b.u2" || ofB.Items[0].Labels["pm.oaas.io/cluster"] != "b" {
		t.Errorf("records of b are %+v, want the one", ofB.Items)
	}
	labelled, err := server.client.PmV1alpha1().DeploymentRecords("shop").List(t.Context(), metav1.ListOptions{LabelSelector: "pm.oaas.io/cluster=a"})
	if err != nil || len(labelled.Items) != 1 {
		t.Errorf("records of a by label are %+v, %v; want one", labelled, err)
	}
	if _, err := server.client.PmV1alpha1().DeploymentRecords("shop").Get(t.Context(), "b.u2", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a record of another namespace: %v, want NotFound", err)
	}

	if err := server.client.PmV1alpha1().Clusters().Delete(t.Context(), "b", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	waitForInformed("shop/a.u1")
}

func TestAClusterThatNeverAnsweredIsInAWarningHeader(t *testing.T) {
	server := runServer(t, dataFolder(t))
	s := scene{T: t, client: server.client, namespace: "warned"}
	s.cluster("mute", &remote{endpoint: "127.0.0.1:1"})
	heard := &warnings{}
	config := rest.CopyConfig(server.config)
	config.WarningHandlerWithContext = heard
	client := versioned.NewForConfigOrDie(config)
	s.eventually("a warning that names the cluster", func() bool {
		list, err := client.PmV1alpha1().DeploymentRecords("shop").List(t.Context(), metav1.ListOptions{})
		if err != nil || len(list.Items) > 0 {
			t.Fatalf("records are %v, error %v", list, err)
		}
		return heard.contain("cluster mute was not heard of yet")
	})
}

func TestAWatchDoesNotResumeAtAnotherReplica(t *testing.T) {
	at := newRemote(t)
	at.deploy(t, "shop", "u1")
	var lists []*pmv1alpha1.DeploymentRecordList
	var clients []versioned.Interface
	for range 2 {
		server := runServer(t, dataFolder(t))
		s := scene{T: t, client: server.client, namespace: "replicas"}
		s.cluster("a", at)
		s.eventually("the record", func() bool {
			list, err := server.client.PmV1alpha1().DeploymentRecords("shop").List(t.Context(), metav1.ListOptions{})
			if err != nil || len(list.Items) == 0 {
				return false
			}
			lists = append(lists, list)
			return true
		})
		clients = append(clients, server.client)
	}
	for i, client := range clients {
		resume := func(version string) watch.Event {
			t.Helper()
			w, err := client.PmV1alpha1().DeploymentRecords("shop").Watch(t.Context(), metav1.ListOptions{ResourceVersion: version})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Stop()
			at.deploy(t, "shop", "u2")
			select {
			case event := <-w.ResultChan():
				return event
			case <-time.After(30 * time.Second):
				t.Fatal("no event came")
				return watch.Event{}
			}
		}
		if event := resume(lists[i].ResourceVersion); event.Type != watch.Added {
			t.Errorf("resuming at the same replica gave %s %v, want the new record", event.Type, event.Object)
		}
		other := resume(lists[1-i].ResourceVersion)
		if status, ok := other.Object.(*metav1.Status); other.Type != watch.Error || !ok || status.Code != 410 {
			t.Errorf("resuming at the other replica gave %s %v, want an error of code 410", other.Type, other.Object)
		}
		at.lose("u2")
	}
}

// deploy has the cluster run a unit.
func (r *remote) deploy(t *testing.T, namespace, id string) {
	t.Helper()
	_, err := r.Deploy(t.Context(), &deploymentv1.DeployRequest{Unit: &deploymentv1.DeploymentUnit{
		Id: id, Namespace: namespace, ClassDeployment: "cart", PackageName: "store", ClassKey: "Cart", Environment: "cloud",
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// warnings collects the warning headers of answers.
type warnings struct {
	mu  sync.Mutex
	all []string
}

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext.
func (w *warnings) HandleWarningHeaderWithContext(_ context.Context, code int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if code == 299 {
		w.all = append(w.all, text)
	}
}

func (w *warnings) contain(part string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.all, func(text string) bool { return len(text) >= len(part) && text[:len(part)] == part })
}
