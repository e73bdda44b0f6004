// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package integration tests the three programs together on a real Kubernetes
// control plane, by what a user sees of them.
package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/hack/localcluster/progress"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
)

// hub is shared by the tests, each of which works in a namespace of its own.
var hub *environment

// environment is a cluster with the platform on it.
type environment struct {
	cluster  *cluster.Cluster
	platform *platform.Platform
	config   *rest.Config
	kube     kubernetes.Interface
	oaas     versioned.Interface
}

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	ctx := context.Background()
	started, err := start(ctx, "hub")
	if err != nil {
		fmt.Fprintln(os.Stderr, "starting the platform:", err)
		return 1
	}
	hub = started
	defer func() {
		if err := hub.stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the platform:", err)
			code = 1
		}
	}()
	return m.Run()
}

// start runs clusters of the given names with a platform, the first one as hub.
func start(ctx context.Context, names ...string) (*environment, error) {
	steps := progress.NewWriter(os.Stderr, clock.RealClock{}, 30*time.Second)
	var clusters []*cluster.Cluster
	for _, name := range names {
		c, err := cluster.Start(ctx, cluster.Options{Name: name, Progress: steps})
		if err != nil {
			return nil, err
		}
		clusters = append(clusters, c)
	}
	e := &environment{cluster: clusters[0], config: clusters[0].RESTConfig()}
	var err error
	if e.platform, err = platform.Start(ctx, platform.Options{Hub: clusters[0], Members: clusters, Progress: steps}); err != nil {
		for _, c := range clusters {
			err = errors.Join(err, c.Stop(ctx))
		}
		return nil, err
	}
	if e.kube, err = kubernetes.NewForConfig(e.config); err != nil {
		return nil, err
	}
	e.oaas, err = versioned.NewForConfig(e.config)
	return e, err
}

func (e *environment) stop(ctx context.Context) error {
	return errors.Join(e.platform.Stop(ctx), e.cluster.Stop(ctx))
}
