// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package binaries

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// build compiles pkg of the nested module in dir. The result appears under its
// name when it is complete, so that an interrupted build leaves nothing that
// looks like a program.
func build(ctx context.Context, dir, pkg, flags, path string) error {
	temp := fmt.Sprintf("%s.%d.tmp", path, os.Getpid())
	defer func() { _ = os.Remove(temp) }() // gone after success
	if _, err := goCommand(ctx, dir, "build", "-trimpath", "-ldflags", flags, "-o", temp, pkg); err != nil {
		return fmt.Errorf("building %s: %w", pkg, err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("keeping the built %s: %w", filepath.Base(path), err)
	}
	return nil
}

// goCommand runs the go command in dir and returns what it printed to standard
// output. Its diagnostics become part of the error.
func goCommand(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	// Static programs run on any distribution; a workspace of the user must not
	// change what is pinned.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOOS=", "GOARCH=")
	// The compilers that go starts must end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("go %s in %s: %w\n%s", args[0], dir, err, lastLines(stderr.String(), 20))
	}
	return stdout.Bytes(), nil
}

// lastLines keeps the end of a long text, where a tool says what went wrong.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// moduleFolder downloads a module that the nested module in dir pins, if need
// be, and returns its folder in the module cache.
func moduleFolder(ctx context.Context, dir, module, version string) (string, error) {
	out, err := goCommand(ctx, dir, "mod", "download", "-json", module+"@"+version)
	if err != nil {
		return "", err
	}
	var downloaded struct{ Dir string }
	if err := json.Unmarshal(out, &downloaded); err != nil {
		return "", fmt.Errorf("reading where %s@%s was downloaded to: %w", module, version, err)
	}
	if downloaded.Dir == "" {
		return "", fmt.Errorf("go mod download named no folder for %s@%s", module, version)
	}
	return downloaded.Dir, nil
}
