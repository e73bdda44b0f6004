// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	clientv3 "go.etcd.io/etcd/client/v3"
	clientsnapshot "go.etcd.io/etcd/client/v3/snapshot"
	"go.uber.org/zap"
)

// Snapshot saves everything that is stored to a new file. Where a server runs on
// the data folder, it goes on running; otherwise the etcd is started for as long as
// it takes. The folder must exist.
func (o *Options) Snapshot(ctx context.Context, output string) (Summary, error) {
	if _, err := os.Stat(o.folder()); err != nil {
		return Summary{}, fmt.Errorf("--data-dir %q holds no embedded etcd: %w", o.DataDir, err)
	}
	etcd, err := o.Start(ctx)
	switch {
	case errors.Is(err, ErrInUse): // by the server, whose socket answers
	case err != nil:
		return Summary{}, err
	default:
		defer etcd.Close()
	}
	return Snapshot(ctx, clientv3.Config{Endpoints: []string{o.Endpoint()}}, output)
}

// Snapshot saves everything that the member at the only endpoint stores to a new
// file, which appears once it is whole and was found free of errors.
func Snapshot(ctx context.Context, client clientv3.Config, output string) (_ Summary, err error) {
	if _, err := os.Lstat(output); !errors.Is(err, fs.ErrNotExist) {
		return Summary{}, fmt.Errorf("--output %q exists: choose another name", output)
	}
	folder, err := os.MkdirTemp(filepath.Dir(output), ".snapshot-")
	if err != nil {
		return Summary{}, fmt.Errorf("create a folder beside --output: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()

	unchecked := filepath.Join(folder, "snapshot")
	if _, err := clientsnapshot.SaveWithVersion(ctx, zap.NewNop(), client, unchecked); err != nil {
		return Summary{}, fmt.Errorf("save a snapshot of %v: %w", client.Endpoints, err)
	}
	summary, err := check(unchecked)
	if err != nil {
		return Summary{}, err
	}
	if err := os.Rename(unchecked, output); err != nil {
		return Summary{}, fmt.Errorf("name the snapshot: %w", err)
	}
	return summary, syncFolder(filepath.Dir(output))
}

// syncFolder makes new names in a folder outlive a loss of power.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the folder to store its names: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("store the names in %s: %w", path, err)
	}
	return nil
}
