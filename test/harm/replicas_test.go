// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package harm

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/retry"

	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/pkg/apiserver/registration"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
)

// Two replicas that start at the same time, without an authority, agree on one;
// both serve reads and writes.
func TestReplicasThatStartTogetherShareOneAuthority(t *testing.T) {
	namespace := newNamespace(t)
	restore(t)
	if err := hub.platform.Kill(t.Context(), platform.PackageManager); err != nil {
		t.Fatal(err)
	}
	secrets := hub.kube.CoreV1().Secrets(platform.Namespace)
	if err := secrets.Delete(t.Context(), registration.SecretName, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	clients := startReplicas(t)
	stored, err := secrets.Get(t.Context(), registration.SecretName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if found, err := certutil.ParseCertsPEM(stored.Data[registration.CertificatesKey]); err != nil || len(found) != 1 {
		t.Errorf("%d authorities are stored (%v), want one for both replicas", len(found), err)
	}
	for i, client := range clients {
		other := clients[1-i]
		name := fmt.Sprintf("by-%d", i)
		watched, err := other.PmV1alpha1().Packages(namespace).Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=" + name})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.PmV1alpha1().Packages(namespace).Create(t.Context(), newPackage(name), metav1.CreateOptions{}); err != nil {
			t.Fatalf("replica %d does not write: %v", i, err)
		}
		if _, err := other.PmV1alpha1().Packages(namespace).Get(t.Context(), name, metav1.GetOptions{}); err != nil {
			t.Errorf("the other replica does not read what replica %d wrote: %v", i, err)
		}
		select {
		case <-watched.ResultChan():
		case <-time.After(soon):
			t.Errorf("a watch of the other replica does not tell what replica %d wrote", i)
		}
		watched.Stop()
	}
}

// persistent outlasts others that write the same object.
var persistent = wait.Backoff{Duration: 10 * time.Millisecond, Factor: 1.5, Jitter: 0.5, Steps: 15, Cap: time.Second}

// Two replicas that count at the same time do not let more in than a quota
// allows, nor less.
func TestReplicasShareAQuota(t *testing.T) {
	namespace := newNamespace(t)
	restore(t)
	used := newQuota(t, namespace, 5)
	if err := hub.platform.Kill(t.Context(), platform.PackageManager); err != nil {
		t.Fatal(err)
	}
	clients := startReplicas(t)
	var created atomic.Int32
	var writers sync.WaitGroup
	for i := range 20 {
		writers.Go(func() {
			// The quota is one object, which both replicas write.
			err := retry.OnError(persistent, apierrors.IsConflict, func() error {
				_, err := clients[i%2].PmV1alpha1().Packages(namespace).Create(t.Context(), newPackage(fmt.Sprintf("p-%02d", i)), metav1.CreateOptions{})
				return err
			})
			switch {
			case err == nil:
				created.Add(1)
			case !apierrors.IsForbidden(err):
				t.Errorf("writer %d: %v", i, err)
			}
		})
	}
	writers.Wait()
	if got := created.Load(); got != 5 {
		t.Errorf("%d packages were created, want 5", got)
	}
	used(5)
}

// startReplicas runs two Package Managers in place of the one that was killed,
// and returns clients that reach each of them.
func startReplicas(t *testing.T) []versioned.Interface {
	t.Helper()
	pair, err := platform.Start(t.Context(), platform.Options{Hub: hub.cluster, BinDir: hub.platform.BinDir(), Replicas: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for i := range 2 {
			if err := pair.Kill(context.Background(), platform.PackageManagerReplica(i)); err != nil {
				t.Error(err)
			}
		}
	})
	clients := make([]versioned.Interface, 2)
	for i := range clients {
		config, err := pair.Direct(t.Context(), platform.PackageManagerReplica(i), hub.config)
		if err != nil {
			t.Fatal(err)
		}
		if clients[i], err = versioned.NewForConfig(config); err != nil {
			t.Fatal(err)
		}
	}
	return clients
}
