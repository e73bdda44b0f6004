// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"oaas.io/oaas/pkg/generated/clientset/versioned"
	"oaas.io/oaas/pkg/generated/informers/externalversions"
)

func TestWatchOfPartsResumesAfterARestart(t *testing.T) {
	const namespace = "restarted"
	dir := dataFolder(t)
	first := runServer(t, dir)
	s := probe{t, first}
	packages := first.client.PmV1alpha1().Packages(namespace)
	must(packages.Create(t.Context(), packageOf(namespace, "o", "Z"), metav1.CreateOptions{}))(t)
	watched := s.watchClasses(namespace, metav1.ListOptions{})
	watched.want("ADDED o.Z")
	p := must(packages.Create(t.Context(), packageOf(namespace, "p", "A", "B", "C"), metav1.CreateOptions{}))(t)
	watched.want("ADDED p.A", "ADDED p.B", "ADDED p.C")
	seen := watched.versions[2]
	// All of this the client has not seen.
	p.Spec.Classes = p.Spec.Classes[1:]
	must(packages.Update(t.Context(), p, metav1.UpdateOptions{}))(t)
	must(packages.Create(t.Context(), packageOf(namespace, "brief", "A"), metav1.CreateOptions{}))(t)
	if err := packages.Delete(t.Context(), "brief", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	watched.want("DELETED p.A", "ADDED brief.A", "DELETED brief.A")
	told := watched.versions[4:]
	first.stop()

	second := runServer(t, dir)
	s = probe{t, second}
	resumed := s.watchClasses(namespace, metav1.ListOptions{ResourceVersion: fmt.Sprint(seen)})
	// The client had seen two of the three classes of one write.
	resumed.want("ADDED p.C", "DELETED p.A", "ADDED brief.A", "DELETED brief.A")
	if diff := cmp.Diff(told, resumed.versions[1:]); diff != "" {
		t.Errorf("the events have other versions than before the restart (-before +after):\n%s", diff)
	}
	must(second.client.PmV1alpha1().Packages(namespace).Create(t.Context(), packageOf(namespace, "q", "A"), metav1.CreateOptions{}))(t)
	resumed.want("ADDED q.A")
	// Others that come back find what was recalled for the first.
	s.watchClasses(namespace, metav1.ListOptions{ResourceVersion: fmt.Sprint(told[0])}).want("ADDED brief.A", "DELETED brief.A", "ADDED q.A")
}

func TestWatchOfPartsIsExpiredByACompaction(t *testing.T) {
	const namespace = "compacted"
	dir := dataFolder(t)
	first := runServer(t, dir)
	packages := first.client.PmV1alpha1().Packages(namespace)
	p := must(packages.Create(t.Context(), packageOf(namespace, "p", "A", "B"), metav1.CreateOptions{}))(t)
	page := must(first.client.PmV1alpha1().Classes(namespace).List(t.Context(), metav1.ListOptions{Limit: 1}))(t)

	moving := &movingServer{}
	moving.current.Store(first)
	factory := externalversions.NewSharedInformerFactoryWithOptions(moving.client(), 0, externalversions.WithNamespace(namespace))
	informer := factory.Pm().V1alpha1().Classes().Informer()
	factory.Start(t.Context().Done())
	if !cache.WaitForCacheSync(t.Context().Done(), informer.HasSynced) {
		t.Fatal("the informer does not synchronise")
	}
	settles(t, "before the restart", func() string { return cmp.Diff([]string{"p.A", "p.B"}, informed(informer)) })
	moving.current.Store(nil)
	first.stop()

	second := runServer(t, dir)
	packages = second.client.PmV1alpha1().Packages(namespace)
	p.Spec.Classes = p.Spec.Classes[:1]
	must(packages.Update(t.Context(), p, metav1.UpdateOptions{}))(t)
	last := must(packages.Create(t.Context(), packageOf(namespace, "q", "A"), metav1.CreateOptions{}))(t)
	compact(t, second, last.ResourceVersion)

	// The window of a server that runs reaches back to its start, whatever etcd
	// forgot.
	second.stop()
	third := runServer(t, dir)
	s := probe{t, third}
	s.watchClasses(namespace, metav1.ListOptions{ResourceVersion: page.ResourceVersion}).want("ERROR 410")

	_, err := third.client.PmV1alpha1().Classes(namespace).List(t.Context(), metav1.ListOptions{Limit: 1, Continue: page.Continue})
	if !apierrors.IsResourceExpired(err) || !strings.Contains(err.Error(), "continue parameter is too old") {
		t.Fatalf("a list goes on after its compaction: got %v, want 410 Expired", err)
	}
	token := err.(apierrors.APIStatus).Status().Continue
	rest := must(third.client.PmV1alpha1().Classes(namespace).List(t.Context(), metav1.ListOptions{Limit: 10, Continue: token}))(t)
	if diff := cmp.Diff([]string{"q.A"}, namesOfParts(t, rest)); diff != "" {
		t.Errorf("the rest of the list differs (-want +got):\n%s", diff)
	}

	moving.current.Store(third)
	settles(t, "after the compaction", func() string { return cmp.Diff([]string{"p.A", "q.A"}, informed(informer)) })
}

func compact(t *testing.T, s *server, version string) {
	t.Helper()
	var revision int64
	if _, err := fmt.Sscan(version, &revision); err != nil {
		t.Fatal(err)
	}
	client := must(clientv3.New(clientv3.Config{Endpoints: []string{s.etcd}, DialTimeout: 10 * time.Second}))(t)
	defer client.Close()
	must(client.Compact(t.Context(), revision, clientv3.WithCompactPhysical()))(t)
}

// movingServer lets a client find a server again that restarted elsewhere. Requests
// wait while there is none: clients that were refused again and again would take a
// minute to come back.
type movingServer struct {
	current atomic.Pointer[server]
}

func (m *movingServer) client() versioned.Interface {
	return versioned.NewForConfigOrDie(&rest.Config{Host: "http://moving", Transport: m, QPS: -1})
}

// RoundTrip sends a request to where the server is now.
func (m *movingServer) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := wait.PollUntilContextCancel(request.Context(), 20*time.Millisecond, true, func(context.Context) (bool, error) {
		return m.current.Load() != nil, nil
	}); err != nil {
		return nil, err
	}
	config := m.current.Load().config
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, err
	}
	server, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, err
	}
	moved := request.Clone(request.Context())
	moved.URL.Scheme, moved.URL.Host = server.Scheme, server.Host
	moved.Host = ""
	return transport.RoundTrip(moved)
}
