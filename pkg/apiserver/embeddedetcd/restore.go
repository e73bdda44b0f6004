// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// DefaultRevisionBump is by how much revisions go on from those in a snapshot: a
// week of 1,500 writes a second, all of which may have come after it.
const DefaultRevisionBump = 1_000_000_000

// Restore fills a data folder without an etcd from a snapshot, which may be that
// of another etcd. Nothing is left behind when it fails.
//
// Clients may have seen revisions that came after the snapshot. They must not
// come again with other content, so revisions go on revisionBump later, and what
// was before counts as compacted: watches from then on get 410 Gone, and
// their clients list again.
func (o *Options) Restore(path string, revisionBump uint64) (Summary, error) {
	if revisionBump == 0 {
		return Summary{}, errors.New("--revision-bump must be above 0: clients would take other content for what they saw")
	}
	lock, err := o.lock()
	if err != nil {
		return Summary{}, err
	}
	defer func() { _ = lock.Close() }()
	if _, err := os.Lstat(o.folder()); !errors.Is(err, fs.ErrNotExist) {
		return Summary{}, fmt.Errorf("--data-dir %q holds an etcd already: move %s away or choose another folder", o.DataDir, o.folder())
	}
	summary, err := check(path)
	if err != nil {
		return Summary{}, err
	}

	// What a restoration left behind that was killed; the lock says that it is over.
	unfinished := filepath.Join(o.DataDir, folderName+".restoring")
	if err := os.RemoveAll(unfinished); err != nil {
		return Summary{}, fmt.Errorf("remove what an earlier restoration left: %w", err)
	}
	peers := peerURLs()
	err = snapshot.NewV3(zap.NewNop()).Restore(snapshot.RestoreConfig{
		SnapshotPath: path, OutputDataDir: unfinished,
		Name: memberName, PeerURLs: []string{peers[0].String()},
		InitialCluster: memberName + "=" + peers[0].String(), InitialClusterToken: embed.NewConfig().InitialClusterToken,
		RevisionBump: revisionBump, MarkCompacted: true,
	})
	if err != nil {
		return Summary{}, errors.Join(fmt.Errorf("restore the snapshot %s: %w", path, err), os.RemoveAll(unfinished))
	}
	if err := os.Rename(unfinished, o.folder()); err != nil {
		return Summary{}, fmt.Errorf("put the restored etcd in place: %w", err)
	}
	return summary, syncFolder(o.DataDir)
}
