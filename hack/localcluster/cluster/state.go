// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/hack/localcluster/internal/process"
)

// ErrNotFound is returned for a folder that holds no cluster.
var ErrNotFound = errors.New("there is no cluster")

// settings are the lasting ones of the Options: a later start that does not
// mention them keeps them.
type settings struct {
	Name string `json:"name"`
	// Nodes is the number of simulated nodes.
	Nodes                 int      `json:"nodes"`
	BindAddress           string   `json:"bindAddress"`
	AdvertiseAddress      string   `json:"advertiseAddress"`
	APIServerArgs         []string `json:"apiServerArgs,omitempty"`
	ControllerManagerArgs []string `json:"controllerManagerArgs,omitempty"`
}

// newSettings are those of a cluster that was never started.
func newSettings(name string) settings {
	return settings{
		Name: name, Nodes: DefaultNodes,
		BindAddress: defaultBindAddress, AdvertiseAddress: defaultAdvertiseAddress,
	}
}

// with returns the settings after a start with the given options.
func (s settings) with(o Options) settings {
	switch {
	case o.Nodes > 0:
		s.Nodes = o.Nodes
	case o.Nodes < 0:
		s.Nodes = 0
	}
	s.BindAddress = cmp.Or(o.BindAddress, s.BindAddress)
	s.AdvertiseAddress = cmp.Or(o.AdvertiseAddress, s.AdvertiseAddress)
	if len(o.APIServerArgs) > 0 {
		s.APIServerArgs = o.APIServerArgs
	}
	if len(o.ControllerManagerArgs) > 0 {
		s.ControllerManagerArgs = o.ControllerManagerArgs
	}
	return s
}

// sameAddresses says whether certificates and running programs for one fit the
// other.
func (s settings) sameAddresses(other settings) bool {
	return s.BindAddress == other.BindAddress && s.AdvertiseAddress == other.AdvertiseAddress
}

// state is what another process must know to find, repair or stop a cluster.
type state struct {
	settings

	EtcdPort      int `json:"etcdPort,omitempty"`
	APIServerPort int `json:"apiServerPort,omitempty"`
	// Processes are the programs that were started.
	Processes map[binaries.Program]process.Identity `json:"processes,omitempty"`
}

func (s state) clone() state {
	s.Processes = maps.Clone(s.Processes)
	return s
}

func loadState(l layout) (state, error) {
	content, err := os.ReadFile(l.state())
	if errors.Is(err, os.ErrNotExist) {
		return state{}, fmt.Errorf("%w in %s", ErrNotFound, string(l))
	}
	if err != nil {
		return state{}, fmt.Errorf("reading the state of a cluster: %w", err)
	}
	var s state
	if err := json.Unmarshal(content, &s); err != nil {
		return state{}, fmt.Errorf("reading the state of a cluster from %s: %w", l.state(), err)
	}
	if s.Processes == nil {
		s.Processes = map[binaries.Program]process.Identity{}
	}
	return s, nil
}

func (s state) save(l layout) error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the state of cluster %s: %w", s.Name, err)
	}
	return writeFile(l.state(), append(content, '\n'))
}

// writeFile replaces a file in one step, readable by the owner only.
func writeFile(path string, content []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() { _ = os.Remove(temp.Name()) }() // gone after success
	_, err = temp.Write(content)
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// claim makes a state folder, or accepts one that Start made before. It refuses
// a folder with other files in it, because Stop removes the whole folder.
func claim(l layout, name string) (state, error) {
	if err := os.MkdirAll(string(l), 0o700); err != nil {
		return state{}, fmt.Errorf("making the state folder: %w", err)
	}
	s, err := loadState(l)
	if err == nil || !errors.Is(err, ErrNotFound) {
		return s, err
	}
	entries, err := os.ReadDir(string(l))
	if err != nil {
		return state{}, fmt.Errorf("reading the state folder: %w", err)
	}
	if len(entries) > 0 {
		return state{}, fmt.Errorf("%s holds files that are not a cluster's, such as %s: choose another folder, since stopping removes it all",
			string(l), entries[0].Name())
	}
	s = state{settings: newSettings(name), Processes: map[binaries.Program]process.Identity{}}
	return s, s.save(l)
}
