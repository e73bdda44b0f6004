// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"

	"oaas.io/oaas/hack/localcluster/cluster"
)

// selection says which clusters a command is about.
type selection struct {
	name     string
	clusters int
	base     string
}

func (s *selection) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&s.name, "name", cluster.DefaultName, "name of the cluster")
	flags.IntVar(&s.clusters, "clusters", 0, "with N, the independent clusters NAME-1 to NAME-N instead of one called NAME")
	flags.StringVar(&s.base, "dir", "", "folder that holds one state folder a cluster (default: oaas/clusters in $XDG_STATE_HOME or the user's cache folder)")
}

// target is one cluster that a command is about.
type target struct{ name, dir string }

// targets returns the selected clusters, whether they exist or not.
func (s *selection) targets() ([]target, error) {
	base, err := s.baseDir()
	if err != nil {
		return nil, err
	}
	names, err := names(s.name, s.clusters)
	if err != nil {
		return nil, err
	}
	out := make([]target, 0, len(names))
	for _, name := range names {
		out = append(out, target{name: name, dir: filepath.Join(base, name)})
	}
	return out, nil
}

// existing returns every cluster in the base folder.
func (s *selection) existing() ([]target, error) {
	base, err := s.baseDir()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(base)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("looking for clusters: %w", err)
	}
	var out []target
	for _, entry := range entries {
		if dir := filepath.Join(base, entry.Name()); entry.IsDir() && cluster.Exists(dir) {
			out = append(out, target{name: entry.Name(), dir: dir})
		}
	}
	return out, nil
}

func (s *selection) baseDir() (string, error) {
	if s.base == "" {
		return cluster.DefaultBaseDir()
	}
	base, err := filepath.Abs(s.base)
	if err != nil {
		return "", fmt.Errorf("finding --dir %s: %w", s.base, err)
	}
	return base, nil
}

// names returns the names of count clusters, or the name itself for zero.
func names(name string, count int) ([]string, error) {
	// A name becomes the name of a folder too.
	if faults := validation.IsDNS1123Label(name); len(faults) > 0 {
		return nil, &exitError{fmt.Errorf("--name %q: %s", name, strings.Join(faults, "; ")), exitUsage}
	}
	switch {
	case count == 0:
		return []string{name}, nil
	case count < 0:
		return nil, &exitError{fmt.Errorf("--clusters %d: must be 1 or more", count), exitUsage}
	}
	out := make([]string, 0, count)
	for i := range count {
		out = append(out, fmt.Sprintf("%s-%d", name, i+1))
	}
	return out, nil
}
