// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package realnode

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"oaas.io/oaas/hack/localcluster/internal/process"
)

// hierarchy is one mounted tree of control groups.
type hierarchy struct {
	root string
	// unified is version 2, with all controllers in one tree.
	unified bool
	// controllers of a tree of version 1.
	controllers []string
}

// parseHierarchies reads /proc/self/mounts.
func parseHierarchies(mounts []byte) []hierarchy {
	var found []hierarchy
	scanner := bufio.NewScanner(bytes.NewReader(mounts))
	for scanner.Scan() {
		fields := strings.Fields(scanner.Text())
		if len(fields) < 4 {
			continue
		}
		switch root, kind, options := fields[1], fields[2], strings.Split(fields[3], ","); kind {
		case "cgroup2":
			found = append(found, hierarchy{root: root, unified: true})
		case "cgroup":
			found = append(found, hierarchy{root: root, controllers: options})
		}
	}
	return found
}

// checkControllers names a controller that limits containers and is absent.
func checkControllers(found []hierarchy, unified string) error {
	available := strings.Fields(unified)
	for _, h := range found {
		available = append(available, h.controllers...)
	}
	for _, needed := range []string{"cpu", "memory", "pids"} {
		if !slices.Contains(available, needed) {
			return fmt.Errorf("the control group controller %s is not available: mount control groups, or enable it for this container", needed)
		}
	}
	return nil
}

func hierarchies() ([]hierarchy, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, fmt.Errorf("finding control groups: %w", err)
	}
	return parseHierarchies(mounts), nil
}

func checkCgroups() error {
	found, err := hierarchies()
	if err != nil {
		return err
	}
	var unified []byte
	for _, h := range found {
		if h.unified {
			if unified, err = os.ReadFile(filepath.Join(h.root, "cgroup.controllers")); err != nil {
				return fmt.Errorf("reading the control group controllers: %w", err)
			}
		}
		if err := syscall.Access(h.root, 2 /* W_OK */); err != nil {
			return fmt.Errorf("control groups in %s cannot be written (%w): make them writable, or run outside of this container", h.root, err)
		}
	}
	return checkControllers(found, string(unified))
}

// makeCgroup makes the control group of all pods in every tree.
func makeCgroup() error {
	found, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range found {
		dir := filepath.Join(h.root, cgroupName)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("making a control group: %w", err)
		}
		switch {
		case h.unified:
			delegate(h.root)
		case slices.Contains(h.controllers, "cpuset"):
			if err := inheritCPUSet(h.root, dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// delegate hands the controllers of a unified tree down, one by one: one that
// the machine does not hand down must not keep the others.
func delegate(root string) {
	controllers, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err != nil {
		return // a tree without controllers, beside those of version 1
	}
	for c := range strings.FieldsSeq(string(controllers)) {
		// What is refused here and needed is refused by the kubelet by name.
		os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+"+c), 0) //nolint:errcheck // see above
	}
}

// inheritCPUSet fills in what version 1 leaves empty in a new group, which then
// takes no process.
func inheritCPUSet(parent, dir string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		content, err := os.ReadFile(filepath.Join(parent, file))
		if errors.Is(err, os.ErrNotExist) {
			continue // mounted without the prefix, which only Android does
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, file), content, 0)
		}
		if err != nil {
			return fmt.Errorf("setting up the control group %s: %w", dir, err)
		}
	}
	return nil
}

// podProcesses returns every process of a pod.
func podProcesses() ([]process.Identity, error) {
	found, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var processes []process.Identity
	for _, h := range found {
		for _, dir := range groupFolders(filepath.Join(h.root, cgroupName)) {
			content, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
			if err != nil {
				continue // removed meanwhile
			}
			for line := range strings.FieldsSeq(string(content)) {
				pid, err := strconv.Atoi(line)
				if err != nil {
					return nil, fmt.Errorf("reading %s/cgroup.procs: %w", dir, err)
				}
				if id, err := process.Identify(pid); err == nil && !slices.Contains(processes, id) {
					processes = append(processes, id)
				}
			}
		}
	}
	return processes, nil
}

// removeCgroup removes the emptied control group. A group counts as busy for a
// moment after its last process has ended.
func removeCgroup(ctx context.Context) error {
	found, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range found {
		dirs := groupFolders(filepath.Join(h.root, cgroupName))
		slices.Reverse(dirs) // the innermost first
		for _, dir := range dirs {
			for {
				err := os.Remove(dir)
				if err == nil || errors.Is(err, os.ErrNotExist) {
					break
				}
				select {
				case <-ctx.Done():
					return fmt.Errorf("removing the control group %s: %w", dir, err)
				case <-time.After(pollEvery):
				}
			}
		}
	}
	return nil
}

// groupFolders returns a group and those in it, outermost first.
func groupFolders(root string) []string {
	var dirs []string
	// Groups may go while they are listed; what is gone needs nothing.
	filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error { //nolint:errcheck // see above
		switch {
		case err != nil:
			return fs.SkipDir
		case entry.IsDir():
			dirs = append(dirs, path)
		}
		return nil
	})
	return dirs
}
