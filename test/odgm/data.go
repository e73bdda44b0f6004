// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ownerFile holds the id of the node that a folder of data belongs to.
const ownerFile = "node-id"

func dataDir(getenv func(string) string) string {
	return cmp.Or(getenv("ODGM_DATA_DIR"), "/data/collections")
}

// claimData leaves the node's id with its data, so that a pod which comes back with
// another id beside the old data is seen.
func claimData(dir string, id uint64) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	path := filepath.Join(dir, ownerFile)
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(path, []byte(strconv.FormatUint(id, 10)+"\n"), 0o600); err != nil {
			return fmt.Errorf("the data folder cannot be used: %w", err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("the data folder cannot be used: %w", err)
	}
	if owner := strings.TrimSpace(string(content)); owner != strconv.FormatUint(id, 10) {
		return fmt.Errorf("ODGM_NODE_ID is %d: the data in %s belongs to node %s", id, dir, owner)
	}
	return nil
}
