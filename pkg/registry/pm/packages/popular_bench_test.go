// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

const (
	// benchClients work at the same time, half of them on each of two servers.
	benchClients = 16
	// benchWrites is how many packages each of them makes, and deletes afterwards.
	benchWrites = 50
)

// BenchmarkPopularDependency makes and deletes packages that depend on one that
// many others depend on already. What a write costs must not depend on how many.
func BenchmarkPopularDependency(b *testing.B) {
	for _, dependents := range []int{0, 1000, 8000} {
		b.Run(fmt.Sprintf("dependents=%d", dependents), func(b *testing.B) {
			s := newScene(b)
			s.mustCreate(pkg("base", "1.0"))
			s.popular("base", dependents)
			var creating, deleting time.Duration
			for b.Loop() {
				creating += s.together(func(on *REST, name string) error {
					_, err := on.Create(s.ctx(), pkg(name, "1", "base ^1 : f"), rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
					return err
				})
				deleting += s.together(func(on *REST, name string) error {
					_, _, err := on.Delete(s.ctx(), name, rest.ValidateAllObjectFunc, &metav1.DeleteOptions{})
					return err
				})
			}
			writes := float64(b.N * benchClients * benchWrites)
			b.ReportMetric(writes/creating.Seconds(), "creates/s")
			b.ReportMetric(writes/deleting.Seconds(), "deletes/s")
		})
	}
}

// together has the clients write packages with names of their own, and returns how
// long that took.
func (s *scene) together(write func(on *REST, name string) error) time.Duration {
	s.Helper()
	start := time.Now()
	var clients sync.WaitGroup
	for client := range benchClients {
		on := s.one
		if client%2 == 1 {
			on = s.two
		}
		clients.Go(func() {
			for i := range benchWrites {
				if err := write(on, fmt.Sprintf("bench-%d-%d", client, i)); err != nil {
					s.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
	return time.Since(start)
}

// popular stores packages that depend on another one.
func (s *scene) popular(name string, dependents int) {
	s.Helper()
	ctx := request.WithNamespace(context.WithoutCancel(s.Context()), namespace)
	var clients sync.WaitGroup
	for client := range benchClients {
		clients.Go(func() {
			for i := client; i < dependents; i += benchClients {
				p := pkg(fmt.Sprintf("user-%05d", i), "1", name)
				if _, err := s.one.REST.Create(ctx, p, rest.ValidateAllObjectFunc, &metav1.CreateOptions{}); err != nil {
					s.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
}
