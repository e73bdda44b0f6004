// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/hack/localcluster/progress"
	"oaas.io/oaas/hack/localcluster/sampleserver"
	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/test/bench/report"
	"oaas.io/oaas/test/bench/scale"
)

// The ways to many objects.
const (
	customResource = "crd"
	aggregated     = "aggregated"
	sample         = "sample-apiserver"
)

const killedWithin = 10 * time.Second

// atScale measures what servers do that hold many objects.
func atScale(ctx context.Context, s settings, hub *cluster.Cluster, running *platform.Platform, steps progress.Reporter, figures *report.Report) error {
	through, _, err := prepare(ctx, hub, running)
	if err != nil {
		return err
	}
	server, err := sampleserver.Start(ctx, hub, steps)
	if err != nil {
		return err
	}
	ways, err := waysToObjects(ctx, hub, running, server, through)
	if err != nil {
		return err
	}
	options := s.scale
	options.Clients, options.Parts = s.clients, s.parts
	results, err := scale.Run(ctx, options, ways, steps)
	if err != nil {
		return err
	}
	scale.Comparison{Objects: options.Objects, Peer: customResource, Ours: aggregated}.AddTo(figures, results)
	return nil
}

func waysToObjects(
	ctx context.Context, hub *cluster.Cluster, running *platform.Platform, server *sampleserver.Server, through *rest.Config,
) ([]*scale.Way, error) {
	padding, err := paddingOf(ctx, through)
	if err != nil {
		return nil, err
	}
	packageManager, err := running.Direct(ctx, platform.PackageManager, hub.RESTConfig())
	if err != nil {
		return nil, err
	}
	sampleServer := hub.RESTConfig()
	sampleServer.Host = "https://" + server.Address()
	kube := &kubeAPIServer{hub: hub}
	waitForAll := func(ctx context.Context) error { return errors.Join(running.Wait(ctx), server.Wait(ctx)) }
	return []*scale.Way{
		{
			Name: customResource, Group: peerGroup, Version: peerVersion, Resource: "packages",
			Object: func(name string) []byte { return packageJSON(peerGroup, name) },
			Client: through, Encodings: []scale.Encoding{scale.JSON},
			Server: scale.Server{
				Name: string(binaries.KubeAPIServer), Direct: hub.RESTConfig(),
				PID: kube.pid, Kill: kube.kill, Run: kube.run,
				// All others are reached through it.
				Wait: waitForAll,
			},
		},
		{
			Name: aggregated, Group: pmv1alpha1.GroupName, Version: peerVersion, Resource: "packages",
			Object: func(name string) []byte { return packageJSON(pmv1alpha1.GroupName, name) },
			Client: through, Encodings: []scale.Encoding{scale.JSON, scale.Protobuf},
			Server: scale.Server{
				Name: "Package Manager", Direct: packageManager,
				PID:  func() int { return running.PID(platform.PackageManager) },
				Kill: func(ctx context.Context) error { return running.Kill(ctx, platform.PackageManager) },
				Run:  func(context.Context) error { return running.Run(platform.PackageManager) },
				Wait: running.Wait,
			},
		},
		{
			Name: sample, Group: sampleserver.Group, Version: sampleserver.Version, Resource: sampleserver.Resource,
			Object: func(name string) []byte { return flunderJSON(name, padding) },
			// It has no protobuf.
			Client: through, Encodings: []scale.Encoding{scale.JSON},
			Server: scale.Server{
				Name: sample, Direct: sampleServer,
				PID: server.PID, Kill: server.Kill, Wait: server.Wait,
				Run: func(context.Context) error { return server.Run() },
			},
		},
	}, nil
}

// flunderJSON is an object of k8s.io/sample-apiserver. Its own fields are a few
// bytes, so an annotation makes it as large as a package.
func flunderJSON(name string, padding int) []byte {
	return fmt.Appendf(nil, `{"apiVersion":"%s/%s","kind":"%s","metadata":{"name":"%s","labels":{"team":"retail","tier":"gold"},`+
		`"annotations":{"bench.oaas.io/padding":"%s"}},"spec":{"reference":"other"}}`,
		sampleserver.Group, sampleserver.Version, sampleserver.Kind, name, strings.Repeat("x", padding))
}

// paddingOf finds out by how much a custom resource with all that the server adds
// is larger than a flunder.
func paddingOf(ctx context.Context, through *rest.Config) (int, error) {
	const name = "probe"
	var sizes [2]int
	for i, probe := range []struct {
		group, resource string
		object          []byte
	}{
		{peerGroup, "packages", packageJSON(peerGroup, name)},
		{sampleserver.Group, sampleserver.Resource, flunderJSON(name, 0)},
	} {
		t, err := newTarget(probe.group, probe.group, through)
		if err != nil {
			return 0, err
		}
		made, err := t.client.Post().Namespace(scale.Namespace).Resource(probe.resource).Body(probe.object).DoRaw(ctx)
		if err != nil {
			return 0, fmt.Errorf("making one of %s.%s: %w", probe.resource, probe.group, err)
		}
		if err := t.client.Delete().Namespace(scale.Namespace).Resource(probe.resource).Name(name).Do(ctx).Error(); err != nil {
			return 0, fmt.Errorf("deleting one of %s.%s: %w", probe.resource, probe.group, err)
		}
		sizes[i] = len(made)
	}
	return max(0, sizes[0]-sizes[1]), nil
}

// kubeAPIServer is restarted as the local cluster does it that finds it missing.
type kubeAPIServer struct{ hub *cluster.Cluster }

func (k *kubeAPIServer) pid() int { return k.hub.Programs()[string(binaries.KubeAPIServer)] }

func (k *kubeAPIServer) kill(ctx context.Context) error {
	if err := syscall.Kill(k.pid(), syscall.SIGKILL); err != nil {
		return fmt.Errorf("ending kube-apiserver: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, killedWithin)
	defer cancel()
	err := wait.PollUntilContextCancel(ctx, 10*time.Millisecond, true, func(context.Context) (bool, error) { return k.pid() == 0, nil })
	if err != nil {
		return fmt.Errorf("kube-apiserver still runs: %w", err)
	}
	return nil
}

func (k *kubeAPIServer) run(ctx context.Context) error {
	hub, err := cluster.Start(ctx, cluster.Options{Name: k.hub.Name(), Dir: k.hub.Dir()})
	if err != nil {
		return err
	}
	k.hub = hub
	return nil
}
