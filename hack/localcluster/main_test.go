// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/internal/process"
)

func TestNames(t *testing.T) {
	for title, test := range map[string]struct {
		name    string
		count   int
		want    []string
		wantErr string
	}{
		"one cluster has the name itself":    {name: "oaas", want: []string{"oaas"}},
		"several are counted from one":       {name: "edge", count: 2, want: []string{"edge-1", "edge-2"}},
		"a count of one is counted too":      {name: "edge", count: 1, want: []string{"edge-1"}},
		"a negative count is refused":        {name: "edge", count: -1, wantErr: "--clusters -1"},
		"a name that is no label is refused": {name: "a/b", wantErr: `--name "a/b"`},
		"an empty name is refused":           {name: "", wantErr: `--name ""`},
	} {
		t.Run(title, func(t *testing.T) {
			got, err := names(test.name, test.count)
			switch {
			case test.wantErr == "" && (err != nil || !slices.Equal(got, test.want)):
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			case test.wantErr != "" && (err == nil || !strings.Contains(err.Error(), test.wantErr)):
				t.Errorf("got error %v, want one with %q", err, test.wantErr)
			}
		})
	}
}

func TestNodesText(t *testing.T) {
	for want, n := range map[string]struct{ simulated, real int }{
		"3 simulated nodes":                 {3, 0},
		"1 simulated node":                  {1, 0},
		"0 simulated nodes":                 {0, 0},
		"1 real node":                       {0, 1},
		"1 real node and 2 simulated nodes": {2, 1},
	} {
		if got := nodesText(n.simulated, n.real); got != want {
			t.Errorf("%+v: got %q, want %q", n, got, want)
		}
	}
}

func TestExitCodesWithoutACluster(t *testing.T) {
	for name, test := range map[string]struct {
		args       []string
		wantCode   int
		wantStdout string
		wantStderr string
	}{
		"status finds none":               {args: []string{"status"}, wantCode: exitNone, wantStderr: "localcluster up"},
		"status of a name finds none":     {args: []string{"status", "--name", "x"}, wantCode: exitNone, wantStderr: "--name x"},
		"kubeconfig finds none":           {args: []string{"kubeconfig"}, wantCode: exitNone, wantStderr: "localcluster up"},
		"down has nothing to do":          {args: []string{"down"}, wantStdout: "There is no cluster oaas to stop."},
		"down of all has nothing to do":   {args: []string{"down", "--all"}, wantStdout: "There is no cluster to stop."},
		"an unknown flag":                 {args: []string{"up", "--bogus"}, wantCode: exitUsage, wantStderr: "localcluster up --help"},
		"an unknown command":              {args: []string{"upp"}, wantCode: exitUsage, wantStderr: "localcluster --help"},
		"an argument that nobody expects": {args: []string{"up", "extra"}, wantCode: exitUsage, wantStderr: "localcluster up --help"},
		"an unknown kind of node":         {args: []string{"up", "--node", "vm"}, wantCode: exitUsage, wantStderr: "must be one of kwok, real"},
		"a negative number of nodes":      {args: []string{"up", "--nodes", "-1"}, wantCode: exitUsage, wantStderr: "--nodes -1"},
		"help":                            {args: nil, wantStdout: "Exit codes"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "clusters")
			code, stdout, stderr := execute(append(test.args, "--dir", dir)...)
			if code != test.wantCode || !strings.Contains(stdout, test.wantStdout) || !strings.Contains(stderr, test.wantStderr) {
				t.Errorf("exit code %d, output %q, error %q; want %d, %q, %q", code, stdout, stderr, test.wantCode, test.wantStdout, test.wantStderr)
			}
			if _, err := os.Stat(dir + "/oaas"); !os.IsNotExist(err) {
				t.Errorf("a state folder was made: %v", err)
			}
		})
	}
}

func TestTheLifeOfACluster(t *testing.T) {
	base := filepath.Join(t.TempDir(), "clusters")
	dir := filepath.Join(base, "life")
	step := func(wantCode int, want string, args ...string) string {
		t.Helper()
		code, stdout, stderr := execute(append(args, "--dir", base)...)
		if code != wantCode || !strings.Contains(stdout+stderr, want) {
			t.Fatalf("%v: exit code %d, output %s%s; want %d with %q", args, code, stdout, stderr, wantCode, want)
		}
		return stdout
	}
	t.Cleanup(func() { execute("down", "--name", "life", "--dir", base) })

	step(0, "Cluster life is ready", "up", "--name", "life", "--nodes", "2")
	step(0, "2 of 2 simulated nodes ready", "status")
	step(0, "Cluster life was already running", "up", "--name", "life")
	path := strings.TrimSpace(step(0, "", "kubeconfig", "--name", "life"))
	if content, err := os.ReadFile(path); err != nil || !bytes.Contains(content, []byte("current-context: life")) {
		t.Errorf("the kubeconfig %s reads %s, %v", path, content, err)
	}

	c, err := cluster.Attach(dir)
	if err != nil {
		t.Fatal(err)
	}
	programs := c.Programs()
	kwok, err := process.Identify(programs["kwok"])
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Kill(t.Context(), kwok); err != nil {
		t.Fatal(err)
	}
	step(exitNotReady, "not ready: kwok does not run", "status", "--name", "life")
	step(0, "Cluster life is ready", "up", "--name", "life")
	step(0, "2 of 2 simulated nodes ready", "status", "--name", "life")

	step(0, "Cluster life is stopped and removed", "down", "--name", "life")
	step(exitNone, "there is no cluster", "status", "--name", "life")
	for name, pid := range programs {
		if _, err := process.Identify(pid); err == nil {
			t.Errorf("%s (process %d) is left", name, pid)
		}
	}
	if entries, err := os.ReadDir(base); err != nil || len(entries) > 0 {
		t.Errorf("%s holds %v, %v, want nothing", base, entries, err)
	}
}

func execute(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(args, &out, &err)
	return code, out.String(), err.String()
}
