// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/internal/process"
)

// Ports that a program may ask for.
const (
	servePort   = "serve"
	reportPort  = "report"
	metricsPort = "metrics"
	healthPort  = "health"
)

const pollEvery = 50 * time.Millisecond

// program is one of ours, run as a process that ends with its cluster.
type program struct {
	name    string
	path    string
	cluster *cluster.Cluster
	starter *process.Starter
	// ports it asks for, by purpose.
	purposes []string
	// args and env are asked for at each start, when the ports are known.
	args func(*program) []string
	env  func(*program) []string
	// user is the identity towards its cluster.
	user string
	// ready says whether the program answers.
	ready func(context.Context, *program) error

	programState
}

// programState is what a later call needs to find the process again.
type programState struct {
	identity process.Identity
	ports    map[string]int
}

type savedState struct {
	Identity process.Identity `json:"identity"`
	Ports    map[string]int   `json:"ports"`
}

func (p *program) dir() string       { return filepath.Join(p.cluster.Dir(), "platform", p.name) }
func (p *program) statePath() string { return filepath.Join(p.dir(), "state.json") }
func (p *program) logPath() string   { return filepath.Join(p.cluster.Dir(), "logs", p.name+".log") }
func (p *program) file(name string) string {
	return filepath.Join(p.dir(), name)
}

func (p *program) address(purpose string) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.ports[purpose]))
}

// load finds out what an earlier call left, and chooses ports otherwise. A port
// is kept over restarts: others were told of it.
func (p *program) load() error {
	if err := os.MkdirAll(p.dir(), 0o700); err != nil {
		return fmt.Errorf("making the folder of %s: %w", p.name, err)
	}
	content, err := os.ReadFile(p.statePath())
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return fmt.Errorf("reading the state of %s: %w", p.name, err)
	default:
		var saved savedState
		if err := json.Unmarshal(content, &saved); err != nil {
			return fmt.Errorf("reading the state of %s from %s: %w", p.name, p.statePath(), err)
		}
		p.identity, p.ports = saved.Identity, saved.Ports
	}
	if p.ports == nil {
		p.ports = map[string]int{}
	}
	for _, purpose := range p.purposes {
		if p.ports[purpose] != 0 {
			continue
		}
		port, err := cluster.FreePort("127.0.0.1")
		if err != nil {
			return err
		}
		p.ports[purpose] = port
	}
	return p.save()
}

func (p *program) save() error {
	content, err := json.MarshalIndent(savedState{Identity: p.identity, Ports: p.ports}, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the state of %s: %w", p.name, err)
	}
	if err := os.WriteFile(p.statePath(), content, 0o600); err != nil {
		return fmt.Errorf("saving the state of %s: %w", p.name, err)
	}
	return nil
}

// run starts the program unless it runs.
func (p *program) run() error {
	if p.identity.Running() {
		return nil
	}
	command := process.Command{Path: p.path, Args: p.args(p), Env: p.cluster.Environment(), Log: p.logPath()}
	if p.env != nil {
		command.Env = append(command.Env, p.env(p)...)
	}
	child, err := p.starter.Start(command)
	if err != nil {
		return err
	}
	p.identity = child.Identity
	return p.save()
}

func (p *program) wait(ctx context.Context) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		err := p.ready(ctx, p)
		if err == nil {
			return nil
		}
		if !p.identity.Running() {
			return fmt.Errorf("%s stopped; the end of %s:\n%s", p.name, p.logPath(), cluster.LogTail(p.logPath()))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s to be ready: %w (%w); the end of %s:\n%s",
				p.name, err, context.Cause(ctx), p.logPath(), cluster.LogTail(p.logPath()))
		case <-ticker.C:
		}
	}
}

func (p *program) kill(ctx context.Context) error {
	if err := process.Kill(ctx, p.identity); err != nil {
		return fmt.Errorf("ending %s: %w", p.name, err)
	}
	p.identity = process.Identity{}
	return errors.Join(p.save(), p.raced())
}
