// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package binaries

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/mod/modfile"
)

const (
	repositoryModule = "oaas.io/oaas"
	// folderInRepository is this package's own folder.
	folderInRepository = "hack/localcluster/binaries"
)

// nestedModules returns the folder that holds the nested modules. They cannot
// be embedded: go:embed leaves out folders that have a go.mod of their own.
func nestedModules() (string, error) {
	root, err := RepositoryRoot()
	if err != nil {
		return "", err
	}
	return filepath.Join(root, filepath.FromSlash(folderInRepository)), nil
}

// RepositoryRoot returns the folder of this repository's sources, found from the
// current folder or else from where this package was compiled.
func RepositoryRoot() (string, error) {
	var starts []string
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	// Set unless the program was built with -trimpath; covers a test or a
	// program that was started in another folder.
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		starts = append(starts, filepath.Dir(file))
	}
	for _, start := range starts {
		if root, ok := findRepository(start); ok {
			return root, nil
		}
	}
	return "", errors.New("the source tree of " + repositoryModule + " was not found from the current folder: " +
		"run this inside of the repository, or point KUBEBUILDER_ASSETS at a folder of ready programs")
}

// findRepository walks up from dir to the folder of this repository's go.mod,
// past nested modules on the way.
func findRepository(dir string) (string, bool) {
	for {
		content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && modfile.ModulePath(content) == repositoryModule {
			return dir, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

// DefaultCacheDir is the folder that keeps built programs: oaas/binaries in the
// user's cache folder (os.UserCacheDir).
func DefaultCacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a folder for built programs: %w; set XDG_CACHE_HOME or HOME", err)
	}
	return filepath.Join(base, "oaas", "binaries"), nil
}
