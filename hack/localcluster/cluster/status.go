// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"context"
	"fmt"

	"oaas.io/oaas/hack/localcluster/binaries"
)

// Status is what is known about a cluster at one moment.
type Status struct {
	Name string
	Dir  string
	// Server is the URL of the API server.
	Server     string
	Kubeconfig string
	// Version that the API server reports; empty if it does not answer.
	Version string
	// Ready says that all programs run and all nodes are ready.
	Ready bool
	// Problem says why the cluster is not ready.
	Problem string
	// Programs are in the order in which they need each other.
	Programs []ProgramStatus
	// Nodes is the number of simulated nodes that there should be, ReadyNodes of
	// those that take pods.
	Nodes, ReadyNodes int
	// RealNodes is the number of nodes that take pods and are not simulated.
	RealNodes int
}

// ProgramStatus is one program of a cluster.
type ProgramStatus struct {
	Name string
	// PID is zero if the program does not run.
	PID int
	Log string
}

// Status looks at the cluster. What cannot be found out is a Problem.
func (c *Cluster) Status(ctx context.Context) Status {
	s := c.snapshot()
	out := Status{Name: s.Name, Dir: c.Dir(), Server: c.server(), Kubeconfig: c.KubeconfigPath(), Nodes: s.Nodes}
	for _, p := range binaries.ControlPlane() {
		program := ProgramStatus{Name: string(p), Log: c.layout.log(p)}
		if id := s.Processes[p]; id.Running() {
			program.PID = id.PID
		} else if out.Problem == "" {
			out.Problem = program.Name + " does not run"
		}
		out.Programs = append(out.Programs, program)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if err := c.describe(ctx, &out); err != nil && out.Problem == "" {
		out.Problem = err.Error()
	}
	out.Ready = out.Problem == ""
	return out
}

// describe adds what only the API server can tell, as far as it answers.
func (c *Cluster) describe(ctx context.Context, out *Status) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if err := c.apiServerReady(ctx); err != nil {
		return err
	}
	if out.ReadyNodes, err = readyNodes(ctx, client, c.clock.Now()); err != nil {
		return err
	}
	if out.RealNodes, err = realNodes(ctx, client); err != nil {
		return err
	}
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		return fmt.Errorf("asking the API server for its version: %w", err)
	}
	out.Version = version.GitVersion
	return c.ready(ctx, out.Nodes)
}
