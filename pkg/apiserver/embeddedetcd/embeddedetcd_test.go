// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// folder has a path short enough for a socket, which that of t.TempDir may not be.
func folder(t *testing.T) string {
	t.Helper()
	path, err := os.MkdirTemp("", "pm") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(path) })
	return path
}

// run runs an etcd until the test ends or stop is called, and returns a client.
func run(t *testing.T, dataDir string) (client *clientv3.Client, stop func()) {
	t.Helper()
	options := &Options{Enabled: true, DataDir: dataDir}
	etcd, err := options.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client, err = clientv3.New(clientv3.Config{Endpoints: []string{options.Endpoint()}})
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = client.Close()
			etcd.Close()
		}
	}
	t.Cleanup(stop)
	return client, stop
}

func put(t *testing.T, client *clientv3.Client, key, value string) int64 {
	t.Helper()
	response, err := client.Put(t.Context(), key, value)
	if err != nil {
		t.Fatal(err)
	}
	return response.Header.Revision
}

func get(t *testing.T, client *clientv3.Client, key string) string {
	t.Helper()
	response, err := client.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if len(response.Kvs) == 0 {
		return ""
	}
	return string(response.Kvs[0].Value)
}

func TestASnapshotIsRestored(t *testing.T) {
	dataDir, backup := folder(t), filepath.Join(t.TempDir(), "backup.db")
	client, stop := run(t, dataDir)
	put(t, client, "kept", "before")
	saved := put(t, client, "changed", "before")

	options := &Options{Enabled: true, DataDir: dataDir}
	summary, err := options.Snapshot(t.Context(), backup)
	if err != nil {
		t.Fatal(err)
	}
	if summary.Revision != saved || summary.Keys != 2 || summary.Bytes == 0 {
		t.Errorf("the snapshot has %+v, want 2 keys as of revision %d", summary, saved)
	}
	put(t, client, "changed", "after")
	last := put(t, client, "added", "after")
	stop()

	restored := &Options{Enabled: true, DataDir: folder(t)}
	if _, err := restored.Restore(backup, DefaultRevisionBump); err != nil {
		t.Fatal(err)
	}
	client, stop = run(t, restored.DataDir)
	for key, want := range map[string]string{"kept": "before", "changed": "before", "added": ""} {
		if got := get(t, client, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if next := put(t, client, "added", "again"); next <= last {
		t.Errorf("revision %d comes again with other content: the next change got %d", last, next)
	}
	watched := client.Watch(t.Context(), "changed", clientv3.WithRev(saved))
	if response := <-watched; !errors.Is(response.Err(), rpctypes.ErrCompacted) {
		t.Errorf("a watch from before goes on with %v, want that it is told to begin anew", response.Err())
	}
	stop()

	// What was restored is like any other: it starts again, and can be saved.
	client, _ = run(t, restored.DataDir)
	if got := get(t, client, "added"); got != "again" {
		t.Errorf("after another start the key is %q", got)
	}
}

func TestASnapshotNeedsNoServer(t *testing.T) {
	dataDir, backup := folder(t), filepath.Join(t.TempDir(), "backup.db")
	client, stop := run(t, dataDir)
	put(t, client, "key", "value")
	stop()
	if summary, err := (&Options{DataDir: dataDir}).Snapshot(t.Context(), backup); err != nil || summary.Keys != 1 {
		t.Errorf("got %+v, %v, want a snapshot of one key", summary, err)
	}
	client, _ = run(t, dataDir)
	if got := get(t, client, "key"); got != "value" {
		t.Errorf("the snapshot changed what it saved to %q", got)
	}
}

func TestSnapshotRefuses(t *testing.T) {
	dataDir, taken := folder(t), filepath.Join(t.TempDir(), "taken.db")
	run(t, dataDir)
	if err := os.WriteFile(taken, []byte("older backup"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := folder(t)
	for sentence, test := range map[string]struct{ dataDir, output, want string }{
		"to overwrite a file":       {dataDir, taken, "exists: choose another name"},
		"a folder without an etcd":  {empty, filepath.Join(t.TempDir(), "new.db"), "holds no embedded etcd"},
		"an output in no folder":    {dataDir, filepath.Join(t.TempDir(), "missing", "new.db"), "create a folder beside --output"},
		"a folder that is mistyped": {filepath.Join(empty, "typo"), filepath.Join(t.TempDir(), "new.db"), "holds no embedded etcd"},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, err := (&Options{DataDir: test.dataDir}).Snapshot(t.Context(), test.output)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
	if content, err := os.ReadFile(taken); err != nil || string(content) != "older backup" {
		t.Errorf("the older backup is %q, %v", content, err)
	}
	if left, err := os.ReadDir(empty); err != nil || len(left) > 0 {
		t.Errorf("an etcd was made where none was: %v, %v", left, err)
	}
	if left, err := os.ReadDir(filepath.Dir(taken)); err != nil || len(left) != 1 {
		t.Errorf("files were left behind: %v, %v", left, err)
	}
}

func TestRestoreRefuses(t *testing.T) {
	dataDir, dir := folder(t), t.TempDir()
	client, _ := run(t, dataDir)
	for i := range 100 {
		put(t, client, fmt.Sprint("key", i), strings.Repeat("x", 1000))
	}
	backup := filepath.Join(dir, "backup.db")
	if _, err := (&Options{DataDir: dataDir}).Snapshot(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	damaged := append([]byte(nil), whole...)
	damaged[len(damaged)/2] ^= 1
	stopped := folder(t)
	_, stop := run(t, stopped)
	stop()
	for sentence, test := range map[string]struct {
		dataDir string
		content []byte
		bump    uint64
		want    string
	}{
		"a folder that a server uses":         {dataDir, whole, DefaultRevisionBump, "in use by another process"},
		"a folder with an etcd":               {stopped, whole, DefaultRevisionBump, "holds an etcd already"},
		"a snapshot that was damaged":         {folder(t), damaged, DefaultRevisionBump, "its hash is not that of its content"},
		"a snapshot that was cut off":         {folder(t), whole[:len(whole)/2], DefaultRevisionBump, "a part of one is missing"},
		"a snapshot that is empty":            {folder(t), nil, DefaultRevisionBump, "no snapshot"},
		"to let revisions come a second time": {folder(t), whole, 0, "--revision-bump must be above 0"},
	} {
		t.Run(sentence, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "snapshot")
			if err := os.WriteFile(path, test.content, 0o600); err != nil {
				t.Fatal(err)
			}
			options := &Options{DataDir: test.dataDir}
			_, had := os.Stat(options.folder())
			_, err := options.Restore(path, test.bump)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
			if _, has := os.Stat(options.folder()); (had == nil) != (has == nil) {
				t.Errorf("before: %v, after: %v", had, has)
			}
			if _, err := os.Stat(options.folder() + ".restoring"); err == nil {
				t.Error("a half restored etcd is left behind")
			}
		})
	}
}

func TestAFailureOfItsOwnIsTold(t *testing.T) {
	options := &Options{Enabled: true, DataDir: folder(t)}
	etcd, err := options.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(etcd.Close)
	ended, end := context.WithCancel(t.Context())
	end()
	if err := etcd.Failed(ended); err != nil {
		t.Errorf("one that serves has failed: %v", err)
	}
	etcd.etcd.Server.HardStop()
	if err := etcd.Failed(t.Context()); err == nil {
		t.Error("one that stopped has not failed")
	}
}
