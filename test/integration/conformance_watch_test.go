// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
	"oaas.io/oaas/pkg/generated/informers/externalversions"
)

// reader is what the generated clients of all kinds can do.
type reader struct {
	get   func(context.Context, string) (metav1.Object, error)
	list  func(context.Context, metav1.ListOptions) (runtime.Object, error)
	watch func(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// generated is what client-gen makes for every kind.
type generated[T metav1.Object, L runtime.Object] interface {
	Get(context.Context, string, metav1.GetOptions) (T, error)
	List(context.Context, metav1.ListOptions) (L, error)
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
}

func readerOf[T metav1.Object, L runtime.Object](client generated[T, L]) reader {
	return reader{
		get: func(ctx context.Context, name string) (metav1.Object, error) {
			return client.Get(ctx, name, metav1.GetOptions{})
		},
		list: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return client.List(ctx, options)
		},
		watch: client.Watch,
	}
}

// typed is the generated client of a resource.
func typed(t *testing.T, client versioned.Interface, resource, namespace string) reader {
	t.Helper()
	pm := client.PmV1alpha1()
	switch resource {
	case resources.Packages:
		return readerOf(pm.Packages(namespace))
	case resources.ClassDeployments:
		return readerOf(pm.ClassDeployments(namespace))
	case resources.Clusters:
		return readerOf(pm.Clusters())
	case resources.Classes:
		return readerOf(pm.Classes(namespace))
	case resources.Functions:
		return readerOf(pm.Functions(namespace))
	case resources.DeploymentRecords:
		return readerOf(pm.DeploymentRecords(namespace))
	case resources.RuntimeStates:
		return readerOf(pm.RuntimeStates(namespace))
	default:
		t.Fatalf("the generated clientset has no client for %s", resource)
		return reader{}
	}
}

// next returns the next event of an object, or of a kind of event.
func next(t *testing.T, watcher watch.Interface, kind watch.EventType, name string) metav1.Object {
	t.Helper()
	deadline := time.After(soon)
	var seen []string
	for {
		select {
		case event, open := <-watcher.ResultChan():
			if !open {
				t.Fatalf("the watch ended before %s of %s; it told %v", kind, name, seen)
			}
			object, err := apimeta.Accessor(event.Object)
			if err != nil {
				t.Fatalf("%s: %v", event.Type, event.Object)
			}
			seen = append(seen, fmt.Sprintf("%s %s", event.Type, object.GetName()))
			if event.Type == kind && (kind == watch.Bookmark || object.GetName() == name) {
				return object
			}
		case <-deadline:
			t.Fatalf("no %s of %s in %s; the watch told %v", kind, name, soon, seen)
		}
	}
}

// A client that asks for the initial state gets it, is told that it is complete,
// and then hears of changes; one that comes back with a resource version hears
// what it has missed.
func TestConformanceWatch(t *testing.T) {
	everyResource(t, func(t *testing.T, resource resources.Resource, s specimen) {
		t.Helper()
		namespace := newNamespace(t)
		name := s.obtain(t, resource, namespace, "watched")
		client := typed(t, hub.oaas, resource.Plural, namespace)
		if _, err := client.get(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		only := metav1.ListOptions{FieldSelector: "metadata.name=" + name}
		initial := only
		initial.AllowWatchBookmarks, initial.SendInitialEvents = true, new(true)
		initial.ResourceVersionMatch = metav1.ResourceVersionMatchNotOlderThan
		watcher, err := client.watch(t.Context(), initial)
		if err != nil {
			t.Fatal(err)
		}
		defer watcher.Stop()
		next(t, watcher, watch.Added, name)
		bookmark := next(t, watcher, watch.Bookmark, "")
		if bookmark.GetAnnotations()[metav1.InitialEventsAnnotationKey] != "true" {
			t.Errorf("the first bookmark does not end the initial state: %v", bookmark.GetAnnotations())
		}
		s.touch(t, namespace, name)
		next(t, watcher, watch.Modified, name)
		s.remove(t, namespace, name)
		next(t, watcher, watch.Deleted, name)

		resumed := only
		resumed.ResourceVersion = bookmark.GetResourceVersion()
		later, err := client.watch(t.Context(), resumed)
		if err != nil {
			t.Fatal(err)
		}
		defer later.Stop()
		next(t, later, watch.Modified, name)
		next(t, later, watch.Deleted, name)
	})
}

// Informers go on over a restart of the server and a compaction of its storage,
// which make every resource version that they know useless.
func TestConformanceWatchSurvivesRestartAndCompaction(t *testing.T) {
	namespace := newNamespace(t)
	factory := externalversions.NewSharedInformerFactory(hub.oaas, 0)
	names, versions := map[string]string{}, map[string]string{}
	stores := map[string]cache.Store{}
	// Not as tests of their own: what each obtains has to stay.
	for _, resource := range resources.All() {
		names[resource.Plural] = specimens()[resource.Plural].obtain(t, resource, namespace, "kept-"+strings.ToLower(resource.Kind))
		list, err := typed(t, hub.oaas, resource.Plural, namespace).list(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		accessor, err := apimeta.ListAccessor(list)
		if err != nil {
			t.Fatal(err)
		}
		versions[resource.Plural] = accessor.GetResourceVersion()
		informer, err := factory.ForResource(gvr(resource))
		if err != nil {
			t.Fatal(err)
		}
		stores[resource.Plural] = informer.Informer().GetStore()
	}
	// The last version, too, is to be of the past.
	create(t, resources.Packages, namespace, specimenPackage, "later")
	ctx, stop := context.WithCancel(t.Context())
	defer factory.Shutdown()
	defer stop()
	factory.StartWithContext(ctx)
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			t.Fatalf("the informer of %s did not fill", kind)
		}
	}

	if err := hub.platform.Kill(t.Context(), platform.PackageManager); err != nil {
		t.Fatal(err)
	}
	compact(t)
	restart(t, platform.PackageManager)

	everyResource(t, func(t *testing.T, resource resources.Resource, s specimen) {
		t.Helper()
		client := typed(t, hub.oaas, resource.Plural, namespace)
		options := metav1.ListOptions{ResourceVersion: versions[resource.Plural], TimeoutSeconds: new(int64(soon.Seconds()))}
		if err := watchError(t.Context(), client, options); !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
			t.Errorf("resuming after the compaction: got %v, want that the version has expired", err)
		}
		key := names[resource.Plural]
		if !resource.ClusterScoped {
			key = namespace + "/" + key
		}
		eventually(t, "the informer to know "+key, func(context.Context) error { return holds(stores[resource.Plural], key, true) })
		s.remove(t, namespace, names[resource.Plural])
		eventually(t, "the informer to forget "+key, func(context.Context) error { return holds(stores[resource.Plural], key, false) })
	})
}

// watchError is the error that a watch is refused or ended with.
func watchError(ctx context.Context, client reader, options metav1.ListOptions) error {
	watcher, err := client.watch(ctx, options)
	if err != nil {
		return err
	}
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		if event.Type == watch.Error {
			return apierrors.FromObject(event.Object)
		}
	}
	return errors.New("the watch went on as if nothing was missing")
}

func holds(store cache.Store, key string, want bool) error {
	_, found, err := store.GetByKey(key)
	if err == nil && found != want {
		err = fmt.Errorf("known is %t, want %t", found, want)
	}
	return err
}

// compact forgets the history of the storage.
func compact(t *testing.T) {
	t.Helper()
	files := hub.cluster.EtcdTLS()
	info := transport.TLSInfo{TrustedCAFile: files.CA, CertFile: files.Cert, KeyFile: files.Key}
	var config *tls.Config
	config, err := info.ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{hub.cluster.EtcdEndpoint()}, TLS: config, DialTimeout: soon})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	now, err := client.Get(t.Context(), "/registry/pm.oaas.io", clientv3.WithLimit(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Compact(t.Context(), now.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
}
