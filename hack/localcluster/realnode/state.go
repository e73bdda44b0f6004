// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package realnode

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/internal/process"
)

// state is what another process must know to adopt or remove the node.
type state struct {
	// ClusterDir is the state folder of the cluster that the node belongs to, or
	// is going to.
	ClusterDir string `json:"clusterDir,omitempty"`
	Cluster    string `json:"cluster,omitempty"`
	Node       string `json:"node,omitempty"`
	// Server is the API server's URL that the programs were started with.
	Server string `json:"server,omitempty"`
	// Processes are the programs that were started, by name.
	Processes map[string]process.Identity `json:"processes,omitempty"`
	// Preparer is the process that made the network and may be about to start
	// the node.
	Preparer process.Identity `json:"preparer,omitzero"`
	// Settings are kernel settings as they were before.
	Settings map[string]string `json:"settings,omitempty"`
	// Folders are those made outside of the state folders, outermost first.
	Folders []string `json:"folders,omitempty"`
}

// loadState returns an empty state if this machine is no node.
func loadState() (state, error) {
	content, err := os.ReadFile(statePath())
	if errors.Is(err, os.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, fmt.Errorf("reading the state of the real node: %w", err)
	}
	var s state
	if err := json.Unmarshal(content, &s); err != nil {
		return state{}, fmt.Errorf("reading the state of the real node from %s: %w", statePath(), err)
	}
	return s, nil
}

func (s state) save() error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the state of the real node: %w", err)
	}
	return writeFile(statePath(), append(content, '\n'))
}

// running says whether all of the named programs run.
func (s state) running(programs ...string) bool {
	for _, p := range programs {
		if !s.Processes[p].Running() {
			return false
		}
	}
	return true
}

// alive says whether any program of the node runs.
func (s state) alive() bool { return len(s.runningPrograms()) > 0 }

// abandoned says whether nobody runs the node or is about to: its programs were
// killed together with the process that started them.
func (s state) abandoned() bool {
	return !s.alive() && (s.Preparer.PID == os.Getpid() || !s.Preparer.Running())
}

// refuseOther returns an error if this machine is the node of another cluster
// than that in clusterDir. One whose folder is gone does not count.
func (s state) refuseOther(clusterDir string) error {
	if s.ClusterDir == clusterDir || s.abandoned() || s.alive() && !cluster.Exists(s.ClusterDir) {
		return nil
	}
	return fmt.Errorf("this machine is the real node of another cluster, in %s, and can be that of one only: stop that one first", s.ClusterDir)
}

// runningPrograms returns the process ids of the programs that run, by name.
func (s state) runningPrograms() map[string]int {
	running := map[string]int{}
	for name, id := range s.Processes {
		if id.Running() {
			running[name] = id.PID
		}
	}
	return running
}

// writeFile replaces a file in one step, readable by the owner only.
func writeFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, content, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
