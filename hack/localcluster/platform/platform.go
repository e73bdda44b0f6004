// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package platform

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"oaas.io/oaas/hack/internal/await"
	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/progress"
)

const (
	// PackageManager is the name of the Package Manager's process.
	PackageManager = "apiserver"
	// Namespace holds what the platform needs on a cluster.
	Namespace = "oaas-system"

	readyTimeout = time.Minute
)

// RuntimeManager is the name of the process of a cluster's Class Runtime
// Manager.
func RuntimeManager(clusterName string) string { return "crm-" + clusterName }

// PackageManagerReplica is the name of the process of a replica of the Package
// Manager, counted from 0.
func PackageManagerReplica(i int) string {
	if i == 0 {
		return PackageManager
	}
	return fmt.Sprintf("%s-%d", PackageManager, i)
}

// Options describe a platform.
type Options struct {
	// Hub is the cluster that serves the aggregated API.
	Hub *cluster.Cluster
	// Members are the clusters that run deployments. Default: the hub alone.
	Members []*cluster.Cluster
	// BinDir holds the programs apiserver, crm and kubectl-oaas. Default: they
	// are built into bin in the repository's root, as make build does.
	BinDir string
	// Replicas of the Package Manager, all on the hub's etcd. More than one share
	// the work by a lease; the aggregated API leads to the first. Default: 1.
	Replicas int
	// Detached programs outlive this process, like the cluster's.
	Detached bool
	// Progress hears of the steps. Default: silence.
	Progress progress.Reporter
	// PackageManagerArgs and RuntimeManagerArgs are further flags; they come last
	// and so replace those that Start sets.
	PackageManagerArgs, RuntimeManagerArgs []string
}

func (o Options) complete() (Options, error) {
	if o.Hub == nil {
		return o, errors.New("a platform needs a hub: the cluster that serves the aggregated API")
	}
	if len(o.Members) == 0 {
		o.Members = []*cluster.Cluster{o.Hub}
	}
	o.Replicas = max(1, o.Replicas)
	o.Progress = progress.OrDiscard(o.Progress)
	return o, nil
}

// Platform is a running set of our programs.
type Platform struct {
	options  Options
	programs map[string]*program
}

// Start installs what the programs need, runs those that do not run and waits
// until the aggregated API is available and every cluster is ready. Calling it
// again, also from another process, continues where the last call stopped.
func Start(ctx context.Context, o Options) (*Platform, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if o.BinDir == "" {
		if o.BinDir, err = Build(ctx, o.Progress); err != nil {
			return nil, err
		}
	}
	p := &Platform{options: o, programs: map[string]*program{}}
	end := o.Progress.Begin("starting the platform on " + o.Hub.Name())
	err = p.start(ctx)
	end(err)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Platform) start(ctx context.Context) error {
	if err := p.declare(); err != nil {
		return err
	}
	if err := p.install(ctx); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(p.programs)) {
		if err := p.programs[name].run(); err != nil {
			return err
		}
	}
	if err := p.Wait(ctx); err != nil {
		return err
	}
	if err := p.trustPackageManager(ctx); err != nil {
		return err
	}
	return p.register(ctx)
}

// Wait returns when every program answers and the aggregated API is available.
func (p *Platform) Wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for _, name := range slices.Sorted(maps.Keys(p.programs)) {
		if err := p.programs[name].wait(ctx); err != nil {
			return err
		}
	}
	return await.APIService(ctx, p.options.Hub.RESTConfig())
}

// BinDir holds the programs that run.
func (p *Platform) BinDir() string { return p.options.BinDir }

// Kill ends a program at once, without any notice to it. With the race detector, it is
// an error if one was found in the program.
func (p *Platform) Kill(ctx context.Context, name string) error {
	program, err := p.program(name)
	if err != nil {
		return err
	}
	return program.kill(ctx)
}

// Run starts a program that was killed, on the port that it had.
func (p *Platform) Run(name string) error {
	program, err := p.program(name)
	if err != nil {
		return err
	}
	return program.run()
}

// PID is the process id of a program; 0 when it does not run.
func (p *Platform) PID(name string) int {
	if program, err := p.program(name); err == nil && program.identity.Running() {
		return program.identity.PID
	}
	return 0
}

// LogPath is the file that a program logs to.
func (p *Platform) LogPath(name string) string {
	if program, err := p.program(name); err == nil {
		return program.logPath()
	}
	return ""
}

// Address is the host and port that a program serves on: HTTPS for the Package
// Manager, gRPC for a Class Runtime Manager.
func (p *Platform) Address(name string) string {
	if program, err := p.program(name); err == nil {
		return program.address(servePort)
	}
	return ""
}

// Stop ends every program and leaves what was installed on the clusters. Data races
// are errors, as with Kill.
func (p *Platform) Stop(ctx context.Context) error {
	var failures []error
	for _, name := range slices.Sorted(maps.Keys(p.programs)) {
		failures = append(failures, p.programs[name].kill(ctx))
	}
	return errors.Join(failures...)
}

func (p *Platform) program(name string) (*program, error) {
	program, ok := p.programs[name]
	if !ok {
		return nil, fmt.Errorf("the platform has no program %q: use one of %v", name, slices.Sorted(maps.Keys(p.programs)))
	}
	return program, nil
}
