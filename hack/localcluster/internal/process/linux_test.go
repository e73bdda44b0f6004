// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package process

import (
	"os/exec"
	"strings"
	"testing"
)

func TestStartTicks(t *testing.T) {
	// Fields 4 to 21, of which the last but one counts threads.
	const before = " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"
	const between = before + " 1 0"
	for name, test := range map[string]struct {
		stat    string
		want    string
		wantErr string
	}{
		"a plain name":                                   {stat: "42 (etcd) S" + between + " 777 0 0", want: "777"},
		"a name with spaces and parentheses":             {stat: "42 (a) R 1 (b) c) S" + between + " 777 0 0", want: "777"},
		"one that only waits to be collected":            {stat: "42 (etcd) Z" + between + " 777 0 0", wantErr: "has ended"},
		"one whose other threads still end":              {stat: "42 (etcd) Z" + before + " 7 0 777 0 0", want: "777"},
		"one that is being taken away":                   {stat: "42 (etcd) X" + between + " 777 0 0", wantErr: "has ended"},
		"a line that is cut off before the start":        {stat: "42 (etcd) S" + between, wantErr: "want more than"},
		"a line without a name":                          {stat: "42 etcd S", wantErr: "no program name"},
		"an empty line, as of a process that just ended": {stat: "", wantErr: "no program name"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := startTicks(test.stat)
			switch {
			case test.wantErr == "" && (err != nil || got != test.want):
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			case test.wantErr != "" && (err == nil || !strings.Contains(err.Error(), test.wantErr)):
				t.Errorf("got error %v, want one with %q", err, test.wantErr)
			}
		})
	}
}

func TestFindByEnvFindsTheExactValueOnly(t *testing.T) {
	const name = "OAAS_TEST_FIND_BY_ENV"
	folder := t.TempDir()
	pids := map[string]int{}
	for _, value := range []string{folder, folder + "-other"} {
		cmd := exec.CommandContext(t.Context(), "/bin/sleep", "600")
		cmd.Env = []string{"A=1", name + "=" + value}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Wait() })
		pids[value] = cmd.Process.Pid
	}
	found := FindByEnv(name, folder)
	if len(found) != 1 || found[0].PID != pids[folder] {
		t.Errorf("found %v, want only process %d", found, pids[folder])
	}
}
