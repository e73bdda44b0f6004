// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package process_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"oaas.io/oaas/hack/localcluster/internal/process"
)

// roleVariable makes the test program itself play the process that starts
// others.
const roleVariable = "OAAS_TEST_STARTER"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		startAndHang(role == "detached")
	}
	os.Exit(m.Run())
}

// startAndHang starts a process, prints its id and waits for its own end.
func startAndHang(detached bool) {
	_ = os.Unsetenv(roleVariable)
	child, err := process.NewStarter(detached).Start(process.Command{Path: "/bin/sleep", Args: []string{"600"}, Log: os.DevNull})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(child.PID)
	select {}
}

func TestAProcessIsNotTakenForALaterOneOfTheSameID(t *testing.T) {
	child := startSleep(t, process.NewStarter(false))
	recycled := child.Identity
	recycled.Start += "0"

	if recycled.Running() {
		t.Error("a process with another start is taken for the one that was saved")
	}
	if err := process.Kill(t.Context(), recycled); err != nil {
		t.Error(err)
	}
	if !child.Running() {
		t.Fatal("a process was killed that only shares the id of the one that was saved")
	}
	if err := process.Kill(t.Context(), child.Identity); err != nil {
		t.Error(err)
	}
	if child.Running() {
		t.Error("a killed process still counts as running")
	}
	if err := process.Kill(t.Context(), child.Identity); err != nil {
		t.Errorf("killing it again: %v", err)
	}
}

func TestTheZeroIdentityHarmsNobody(t *testing.T) {
	if (process.Identity{}).Running() || (process.Identity{PID: os.Getpid()}).Running() {
		t.Error("an identity without a start counts as running")
	}
	// Process id 0 would mean the whole process group.
	if err := process.Kill(t.Context(), process.Identity{}); err != nil {
		t.Error(err)
	}
}

func TestAProcessThatNobodyCollectsCountsAsEnded(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "/bin/sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	id, err := process.Identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// Wait is not called meanwhile, so the process stays as a zombie.
	if err := process.Kill(ctx, id); err != nil {
		t.Error(err)
	}
}

func TestWhatAStarterStartsEndsWithIt(t *testing.T) {
	for role, want := range map[string]struct{ survives bool }{
		"attached": {survives: false},
		"detached": {survives: true},
	} {
		t.Run(role, func(t *testing.T) {
			if runtime.GOOS != "linux" && !want.survives {
				t.Skip("only the kernel of Linux ends a process with the one that started it")
			}
			starter := exec.CommandContext(t.Context(), os.Args[0])
			starter.Env = append(os.Environ(), roleVariable+"="+role)
			starter.Stderr = os.Stderr
			out, err := starter.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := starter.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			child, err := process.Identify(pid)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := process.Kill(context.WithoutCancel(t.Context()), child); err != nil {
					t.Error(err)
				}
			})

			// No chance for it to clean up.
			if err := starter.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = starter.Wait()

			if want.survives {
				if !child.Running() {
					t.Error("a detached process ended with its starter")
				}
				return
			}
			if !eventually(func() bool { return !child.Running() }) {
				t.Error("the process outlives its starter")
			}
		})
	}
}

func TestAChildTellsHowItEnded(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	starter := process.NewStarter(false)
	t.Cleanup(starter.Close)
	child, err := starter.Start(process.Command{Path: "/bin/sh", Args: []string{"-c", `sleep 0.2; echo "$GREETING"; exit 7`}, Env: []string{"GREETING=hello"}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	<-child.Exited()
	if err := child.Err(); err == nil || err.Error() != "exit status 7" {
		t.Errorf("it ended with %v, want exit status 7", err)
	}
	if content, err := os.ReadFile(log); err != nil || string(content) != "hello\n" {
		t.Errorf("the log has %q (%v), want the greeting", content, err)
	}
}

func TestIdentifyRefusesAProcessThatIsNotThere(t *testing.T) {
	if _, err := process.Identify(1 << 30); err == nil {
		t.Error("a process that does not exist has an identity")
	}
}

func startSleep(t *testing.T, s *process.Starter, env ...string) *process.Child {
	t.Helper()
	child, err := s.Start(process.Command{Path: "/bin/sleep", Args: []string{"600"}, Env: env, Log: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := child.Signal(syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		<-child.Exited()
		s.Close()
	})
	return child
}

func eventually(condition func() bool) bool {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if condition() {
			return true
		}
	}
	return false
}
