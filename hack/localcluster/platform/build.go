// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package platform

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"

	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/hack/localcluster/internal/filelock"
	"oaas.io/oaas/hack/localcluster/progress"
)

// Build brings the three programs in the repository's bin folder up to date, by
// the target that a user would call, and returns the folder. A caller with the race
// detector gets programs with it.
func Build(ctx context.Context, p progress.Reporter) (string, error) {
	root, err := binaries.RepositoryRoot()
	if err != nil {
		return "", err
	}
	lock, err := filelock.Acquire(ctx, filepath.Join(root, "bin.lock"), nil)
	if err != nil {
		return "", err
	}
	target, dir := "build", filepath.Join(root, "bin")
	if raceDetector {
		target, dir = "build-race", filepath.Join(dir, "race")
	}
	end := progress.OrDiscard(p).Begin("building apiserver, crm and kubectl-oaas")
	output, err := exec.CommandContext(ctx, "make", "--no-print-directory", "-C", root, target).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("building the programs: %w:\n%s", err, output)
	}
	end(err)
	return dir, errors.Join(err, lock.Release())
}
