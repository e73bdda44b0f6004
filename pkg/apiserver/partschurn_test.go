// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// TestWatchOfPartsMissesNothing reads a watch in short pieces, each from another
// replica and most of them ending in the middle of a write, while packages come,
// change and go. What the events add up to must be what there is.
func TestWatchOfPartsMissesNothing(t *testing.T) {
	const namespace, writers, churnFor, enough = "churn", 4, 3 * time.Second, 100
	first := runServer(t, dataFolder(t))
	second := runServer(t, "", func(o *Options) {
		o.EmbeddedEtcd.Enabled = false
		o.Etcd.StorageConfig.Transport.ServerList = []string{first.etcd}
	})
	replicas := []*server{first, second}

	churn, stop := context.WithCancel(t.Context())
	defer stop()
	var writing sync.WaitGroup
	for writer := range writers {
		writing.Go(func() {
			random := rand.New(rand.NewPCG(uint64(writer), 1))
			packages := replicas[writer%2].client.PmV1alpha1().Packages(namespace)
			for churn.Err() == nil {
				// Each writer has packages of its own, so that no write conflicts.
				p := packageOf(namespace, fmt.Sprintf("w%d-%d", writer, random.IntN(3)))
				for key := range 6 {
					if random.IntN(2) == 0 {
						class := classOf(fmt.Sprint("K", key))
						class.Description = fmt.Sprint(random.IntN(3))
						p.Spec.Classes = append(p.Spec.Classes, class)
					}
				}
				var err error
				if random.IntN(4) == 0 {
					err = packages.Delete(t.Context(), p.Name, metav1.DeleteOptions{})
				} else {
					_, err = packages.Update(t.Context(), p, metav1.UpdateOptions{})
				}
				if err != nil && !apierrors.IsNotFound(err) {
					t.Errorf("write %s: %v", p.Name, err)
					return
				}
			}
		})
	}

	reader := &pieces{T: t, known: map[string]string{}, random: rand.New(rand.NewPCG(7, 7))}
	list := must(first.client.PmV1alpha1().Classes(namespace).List(t.Context(), metav1.ListOptions{}))(t)
	reader.version = list.ResourceVersion
	for _, class := range list.Items {
		reader.known[class.Name] = class.Spec.Description
	}
	// On a machine that is busy, it takes longer until the test shows something.
	begun := time.Now()
	for round := 0; time.Since(begun) < churnFor || reader.events < enough && time.Since(begun) < readyWithin; round++ {
		reader.read(replicas[round%2], namespace)
	}
	stop()
	writing.Wait()

	settles(t, "what the events add up to", func() string {
		reader.read(first, namespace)
		list := must(first.client.PmV1alpha1().Classes(namespace).List(t.Context(), metav1.ListOptions{}))(t)
		want := map[string]string{}
		for _, class := range list.Items {
			want[class.Name] = class.Spec.Description
		}
		return cmp.Diff(want, reader.known)
	})
	if reader.events < enough {
		t.Errorf("only %d events were read: the test shows little", reader.events)
	}
	t.Logf("%d events in %d pieces", reader.events, reader.pieces)
}

// pieces reads a watch piece by piece.
type pieces struct {
	*testing.T
	random  *rand.Rand
	version string
	// known are the descriptions of the classes that the events told of.
	known          map[string]string
	events, pieces int
}

func (p *pieces) read(from *server, namespace string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), 200*time.Millisecond)
	defer cancel()
	watched, err := from.client.PmV1alpha1().Classes(namespace).Watch(ctx, metav1.ListOptions{ResourceVersion: p.version})
	if err != nil {
		if ctx.Err() == nil {
			p.Fatal(err)
		}
		return
	}
	defer watched.Stop()
	p.pieces++
	for range 1 + p.random.IntN(8) {
		event, open := <-watched.ResultChan()
		if !open {
			return
		}
		if event.Type == watch.Error {
			p.Fatalf("a watch from %s: %v", p.version, event.Object)
		}
		p.apply(event.Type, event.Object.(*v1alpha1.Class))
	}
}

func (p *pieces) apply(change watch.EventType, class *v1alpha1.Class) {
	p.Helper()
	_, known := p.known[class.Name]
	if known != (change != watch.Added) {
		p.Fatalf("%s %s at %s after %s, and the classes were %v", change, class.Name, class.ResourceVersion, p.version, p.known)
	}
	if change == watch.Deleted {
		delete(p.known, class.Name)
	} else {
		p.known[class.Name] = class.Spec.Description
	}
	p.version = class.ResourceVersion
	p.events++
}
