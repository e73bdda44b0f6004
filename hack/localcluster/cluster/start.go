// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/hack/localcluster/internal/filelock"
	"oaas.io/oaas/hack/localcluster/internal/process"
	"oaas.io/oaas/pkg/pki"
)

// Start brings a cluster up and returns when its nodes are ready. One that is
// up already is left alone; of one that is half up, only what is missing is
// started. ctx bounds the start, not the life of the cluster.
//
// After a failure no program is left. The state folder, with the logs, is kept
// if the cluster is Detached.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	set, err := binaries.Ensure(ctx, binaries.Options{Progress: o.Progress}, binaries.ControlPlane()...)
	if err != nil {
		return nil, fmt.Errorf("getting the programs of cluster %s: %w", o.Name, err)
	}
	if o, err = o.completeDir(); err != nil {
		return nil, err
	}
	l := layout(o.Dir)
	lock, err := filelock.Acquire(ctx, l.lock(), nil)
	if err != nil {
		return nil, err
	}
	c, err := startLocked(ctx, l, o, set)
	return c, errors.Join(err, lock.Release())
}

func startLocked(ctx context.Context, l layout, o Options, set *binaries.Set) (*Cluster, error) {
	s, err := claim(l, o.Name)
	if err != nil {
		return nil, err
	}
	if s.Name != o.Name {
		return nil, fmt.Errorf("%s holds cluster %s, not %s: choose another folder or name", o.Dir, s.Name, o.Name)
	}
	c := newCluster(l, s, o.clock)
	wanted := s.with(o)
	if c.adoptRunning(ctx, wanted) {
		return c, nil
	}

	ctx, cancel := context.WithTimeout(ctx, o.StartTimeout)
	defer cancel()
	end := o.Progress.Begin("starting cluster " + o.Name)
	err = (&start{Cluster: c, settings: wanted, detached: o.Detached, set: set}).run(ctx)
	end(err)
	if err == nil {
		return c, nil
	}
	// The context may be what ended the start.
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if o.Detached {
		return nil, errors.Join(err, c.killAll(cleanup))
	}
	return nil, errors.Join(err, c.stopLocked(cleanup))
}

// adoptRunning says whether the cluster is up and as it is wanted.
func (c *Cluster) adoptRunning(ctx context.Context, wanted settings) bool {
	s := c.snapshot()
	if s.Nodes != wanted.Nodes || !s.sameAddresses(wanted) || !credentialsValid(c.layout, c.clock.Now()) {
		return false
	}
	for _, p := range binaries.ControlPlane() {
		if !s.Processes[p].Running() {
			return false
		}
	}
	if err := c.loadAdmin(); err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	c.wasRunning = c.ready(ctx, wanted.Nodes) == nil
	return c.wasRunning
}

func (c *Cluster) loadAdmin() error {
	config, err := clientcmd.BuildConfigFromFlags("", c.layout.kubeconfig())
	if err != nil {
		return fmt.Errorf("reading the administrator's kubeconfig: %w", err)
	}
	c.admin = config
	return nil
}

// start is one attempt to bring all programs up, in the order in which they
// need each other.
type start struct {
	*Cluster

	settings settings
	detached bool
	set      *binaries.Set
}

func (s *start) run(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	s.starter = process.NewStarter(s.detached)
	if err := s.etcd(ctx); err != nil {
		return err
	}
	if err := s.apiServer(ctx); err != nil {
		return err
	}
	if err := s.clients(ctx); err != nil {
		return err
	}
	if err := s.ensureNodes(ctx, s.settings.Nodes); err != nil {
		return err
	}
	return s.wait(ctx, "nodes to be ready", binaries.Kwok, func(ctx context.Context) error {
		return s.ready(ctx, s.settings.Nodes)
	})
}

// prepare makes folders and certificates, and ends what cannot be kept.
func (s *start) prepare(ctx context.Context) error {
	if err := os.MkdirAll(s.layout.logs(), 0o700); err != nil {
		return fmt.Errorf("making the folder for logs: %w", err)
	}
	before := s.snapshot()
	if !credentialsValid(s.layout, s.clock.Now()) || !before.sameAddresses(s.settings) {
		if err := s.killAll(ctx); err != nil {
			return err
		}
		if err := makeCredentials(s.layout, s.settings, s.clock.Now()); err != nil {
			return err
		}
	}
	return s.update(func(st *state) {
		st.settings = s.settings
		// Those that ended before this start are no failure of it.
		maps.DeleteFunc(st.Processes, func(_ binaries.Program, id process.Identity) bool { return !id.Running() })
	})
}

func (s *start) etcd(ctx context.Context) error {
	if s.running(binaries.Etcd) {
		return nil
	}
	before := s.snapshot().EtcdPort
	err := s.onFreePort(ctx, binaries.Etcd, loopback, before,
		func(port int) []string { return etcdArgs(s.layout, port) },
		func(st *state, port int) { st.EtcdPort = port },
		s.etcdHealthy)
	if err == nil && before != 0 && before != s.snapshot().EtcdPort {
		// An API server that still runs looks for etcd at the old port.
		err = s.kill(ctx, binaries.KubeAPIServer)
	}
	return err
}

func (s *start) apiServer(ctx context.Context) error {
	if s.running(binaries.KubeAPIServer) {
		if err := s.loadAdmin(); err == nil {
			return s.wait(ctx, "the API server to be ready", binaries.KubeAPIServer, s.apiServerReady)
		}
		if err := s.kill(ctx, binaries.KubeAPIServer); err != nil {
			return err
		}
	}
	before := s.snapshot().APIServerPort
	err := s.onFreePort(ctx, binaries.KubeAPIServer, s.settings.BindAddress, before,
		func(port int) []string {
			return apiServerArgs(s.layout, s.settings, s.snapshot().EtcdPort, port)
		},
		func(st *state, port int) { st.APIServerPort = port },
		s.apiServerReady)
	if err == nil && before != 0 && before != s.snapshot().APIServerPort {
		// Those that still run look for the API server at the old port.
		err = s.kill(ctx, binaries.KubeControllerManager, binaries.KubeScheduler, binaries.Kwok)
	}
	return err
}

// clients starts the programs that only need the API server, side by side.
func (s *start) clients(ctx context.Context) error {
	if !s.running(binaries.Kwok) {
		if err := s.releaseNodes(ctx); err != nil {
			return err
		}
	}
	args := map[binaries.Program][]string{
		binaries.KubeControllerManager: controllerManagerArgs(s.layout, s.settings),
		binaries.KubeScheduler:         schedulerArgs(s.layout),
		binaries.Kwok:                  kwokArgs(s.layout, s.set.KwokStages()),
	}
	for _, p := range []binaries.Program{binaries.Kwok, binaries.KubeControllerManager, binaries.KubeScheduler} {
		if s.running(p) {
			continue
		}
		if err := s.writeKubeconfig(s.layout.kubeconfigOf(p), systemUsers()[p]); err != nil {
			return err
		}
		if err := s.launch(p, args[p]); err != nil {
			return err
		}
	}
	return nil
}

// onFreePort starts a program that listens, first on the port that it had, and
// waits for it. No port can be reserved for another process, so one that turns
// out to be taken is replaced.
func (s *start) onFreePort(ctx context.Context, p binaries.Program, host string, port int,
	args func(port int) []string, store func(*state, int), healthy func(context.Context) error,
) error {
	const attempts = 5
	for attempt := 1; ; attempt++ {
		if port == 0 || !portFree(host, port) {
			var err error
			if port, err = freePort(host); err != nil {
				return err
			}
		}
		if err := s.update(func(st *state) { store(st, port) }); err != nil {
			return err
		}
		if p == binaries.KubeAPIServer {
			admin := pki.Request{User: adminUser, Groups: []string{adminGroup}, Client: true}
			if err := errors.Join(s.writeKubeconfig(s.layout.kubeconfig(), admin), s.loadAdmin()); err != nil {
				return err
			}
		}
		if err := s.launch(p, args(port)); err != nil {
			return err
		}
		err := s.wait(ctx, string(p)+" to be ready", p, healthy)
		stopped, ok := errors.AsType[*stoppedError](err)
		if !ok || attempt == attempts || stopped.program != p || !stopped.portTaken() {
			return err
		}
		port = 0
	}
}

// launch starts one program and writes it down.
func (s *start) launch(p binaries.Program, args []string) error {
	child, err := s.starter.Start(process.Command{
		Path: s.set.Path(p),
		Args: args,
		Env:  []string{environmentMarker + "=" + s.Dir()},
		Log:  s.layout.log(p),
	})
	if err != nil {
		return err
	}
	return s.update(func(st *state) {
		s.children[child.PID] = child
		st.Processes[p] = child.Identity
	})
}

func (c *Cluster) running(p binaries.Program) bool { return c.snapshot().Processes[p].Running() }

// wait polls until check succeeds. It gives up early when a program that was
// started has ended, and otherwise blames the suspect.
func (s *start) wait(ctx context.Context, what string, suspect binaries.Program, check func(context.Context) error) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		probe, cancel := context.WithTimeout(ctx, probeTimeout)
		err := check(probe)
		cancel()
		if err == nil {
			return nil
		}
		if stopped := s.stoppedProgram(); stopped != nil {
			return stopped
		}
		select {
		case <-ctx.Done():
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
			}
			return fmt.Errorf("waiting for %s: %w (%w); the end of %s:\n%s", what, err, context.Cause(ctx),
				s.layout.log(suspect), tail(s.layout.log(suspect), tailLines))
		case <-ticker.C:
		}
	}
}
