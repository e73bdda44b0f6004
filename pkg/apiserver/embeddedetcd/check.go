// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
)

// Summary says what is in a snapshot.
type Summary struct {
	// Revision is the last change that is in it.
	Revision int64
	// Keys is the number of keys in it.
	Keys int
	// Bytes is the size of its content.
	Bytes int64
}

// check finds a snapshot to be whole and consistent. Its hash comes first: the
// library that reads the content does not survive all that may be wrong with it.
func check(path string) (Summary, error) {
	if err := checkHash(path); err != nil {
		return Summary{}, fmt.Errorf("check the snapshot %s: %w", path, err)
	}
	status, err := snapshot.NewV3(zap.NewNop()).Status(path)
	if err != nil {
		return Summary{}, fmt.Errorf("check the snapshot %s: %w", path, err)
	}
	return Summary{Revision: status.Revision, Keys: status.TotalKey, Bytes: status.TotalSize}, nil
}

// checkHash compares the hash that etcd puts at the end with that of the rest.
func checkHash(path string) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	content := info.Size() - sha256.Size
	// What is stored comes in blocks, so the rest tells whether there is a hash.
	if content <= 0 || info.Size()%512 != sha256.Size {
		return fmt.Errorf("it has %d bytes and no hash at the end: it is no snapshot, or a part of one is missing", info.Size())
	}
	hash := sha256.New()
	if _, err := io.CopyN(hash, file, content); err != nil {
		return err
	}
	want := make([]byte, sha256.Size)
	if _, err := io.ReadFull(file, want); err != nil {
		return err
	}
	if !bytes.Equal(want, hash.Sum(nil)) {
		return errors.New("its hash is not that of its content: the file was damaged, use another one")
	}
	return nil
}
