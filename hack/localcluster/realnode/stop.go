// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package realnode

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"oaas.io/oaas/hack/localcluster/internal/process"
)

// remove ends the node and takes away all that it made. Nothing asks a program
// to do that for us: it works the same when programs were killed, or the
// machine is out of memory.
func remove(ctx context.Context, s state) error {
	if err := killAll(ctx, s); err != nil {
		return err
	}
	failures := []error{
		removeRules(ctx),
		removeBridge(ctx),
		removeCgroup(ctx),
		restoreSettings(s.Settings),
	}
	if s.ClusterDir != "" {
		failures = append(failures, os.RemoveAll(string(filesOf(s.ClusterDir))))
	}
	for _, dir := range slices.Backward(s.Folders) {
		// Another containerd may use it by now.
		os.Remove(dir)
	}
	// The state goes last: until then the removal can be taken up again.
	if err := errors.Join(failures...); err != nil {
		return err
	}
	if err := os.RemoveAll(runDir); err != nil {
		return fmt.Errorf("removing the state of the real node: %w", err)
	}
	return nil
}

// killAll ends all programs, then all pods. The programs come first because
// they start pods; the loop is for what was being started meanwhile.
func killAll(ctx context.Context, s state) error {
	for {
		programs := process.FindByEnv(environmentMarker, markerValue)
		for _, id := range s.Processes {
			if id.Running() && !slices.Contains(programs, id) {
				programs = append(programs, id)
			}
		}
		if err := process.Kill(ctx, programs...); err != nil {
			return err
		}
		pods, err := podProcesses()
		if err != nil {
			return err
		}
		if err := process.Kill(ctx, pods...); err != nil {
			return err
		}
		if len(programs)+len(pods) == 0 {
			return nil
		}
	}
}
