// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package binaries

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"oaas.io/oaas/hack/localcluster/internal/filelock"
	"oaas.io/oaas/hack/localcluster/progress"
)

// AssetsVariable names the environment variable that points at a folder of
// ready programs, as other Kubernetes test environments use it.
const AssetsVariable = "KUBEBUILDER_ASSETS"

// Options of Ensure; the zero value works.
type Options struct {
	// AssetsDir is a folder of ready programs. A program that it lacks is built.
	// Default: $KUBEBUILDER_ASSETS.
	AssetsDir string
	// CacheDir keeps built programs. Default: DefaultCacheDir.
	CacheDir string
	// Progress hears of every build. Default: silence.
	Progress progress.Reporter
}

// Set holds the programs that Ensure was asked for.
type Set struct {
	paths  map[Program]string
	stages string
}

// Path returns the absolute path of a program, or "" if Ensure was not asked
// for it.
func (s *Set) Path(p Program) string { return s.paths[p] }

// KwokStages returns the path of the configuration that makes kwok's nodes
// ready and its pods run, or "" if Ensure was not asked for Kwok.
func (s *Set) KwokStages() string { return s.stages }

// Ensure returns the programs, building those that are neither in the assets
// folder nor in the cache. Several processes may call it at once.
func Ensure(ctx context.Context, o Options, programs ...Program) (*Set, error) {
	o.Progress = progress.OrDiscard(o.Progress)
	if o.AssetsDir == "" {
		o.AssetsDir = os.Getenv(AssetsVariable)
	}
	if o.CacheDir == "" {
		dir, err := DefaultCacheDir()
		if err != nil {
			return nil, err
		}
		o.CacheDir = dir
	}
	e := &ensurer{Options: o}
	set := &Set{paths: make(map[Program]string, len(programs))}
	for _, p := range programs {
		path, err := e.program(ctx, p)
		if err != nil {
			return nil, err
		}
		set.paths[p] = path
		if p == Kwok {
			if set.stages, err = e.kwokStages(ctx); err != nil {
				return nil, err
			}
		}
	}
	return set, nil
}

type ensurer struct{ Options }

func (e *ensurer) program(ctx context.Context, p Program) (string, error) {
	if path, ok, err := e.asset(p); err != nil || ok {
		return path, err
	}
	src, ok := sourceOf(p)
	if !ok {
		return "", fmt.Errorf("no program is called %q", p)
	}
	pinned, err := e.pin(src)
	if err != nil {
		return "", err
	}
	flags := linkerFlags(src.module, pinned.version)
	dir := filepath.Join(e.CacheDir, cacheKey(src.folder, pinned, flags, runtime.GOOS, runtime.GOARCH))
	path := filepath.Join(dir, string(p))
	err = e.once(ctx, path, func() error {
		end := e.Progress.Begin(fmt.Sprintf("building %s %s", p, pinned.version))
		err := build(ctx, pinned.dir, src.pkg, flags, path)
		end(err)
		return err
	})
	return path, err
}

// asset looks for a ready program.
func (e *ensurer) asset(p Program) (string, bool, error) {
	if e.AssetsDir == "" {
		return "", false, nil
	}
	path, err := filepath.Abs(filepath.Join(e.AssetsDir, string(p)))
	if err != nil {
		return "", false, fmt.Errorf("finding %s in %s: %w", p, e.AssetsDir, err)
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, os.ErrNotExist):
		return "", false, nil
	case err != nil:
		return "", false, fmt.Errorf("finding %s in %s=%s: %w", p, AssetsVariable, e.AssetsDir, err)
	case info.IsDir() || info.Mode()&0o111 == 0:
		return "", false, fmt.Errorf("%s (from %s) is not an executable file: replace it, or unset the variable", path, AssetsVariable)
	}
	return path, true, nil
}

func (e *ensurer) pin(src source) (pin, error) {
	modules, err := nestedModules()
	if err != nil {
		return pin{}, err
	}
	return readPin(filepath.Join(modules, src.folder), src.module)
}

// once runs make unless path exists, while no other process does the same.
// make must bring path about in one step: a file that exists is complete.
func (e *ensurer) once(ctx context.Context, path string, make func() error) error {
	if exists(path) {
		return nil
	}
	var waited func(error)
	lock, err := filelock.Acquire(ctx, path+".lock", func() {
		waited = e.Progress.Begin("waiting for another process that makes " + filepath.Base(path))
	})
	if waited != nil {
		waited(err)
	}
	if err != nil {
		return err
	}
	if !exists(path) {
		err = make()
	}
	return errors.Join(err, lock.Release())
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
