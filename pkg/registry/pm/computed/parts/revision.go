// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package parts

import (
	"fmt"
	"strconv"

	"oaas.io/oaas/pkg/registry/pm/computed"
)

// One write of a package changes many parts, and each change needs a resource
// version of its own: a client whose watch breaks between two of them resumes
// with the second. The version of a part is therefore that of the write with the
// place of the change within it in the low bits. Every server works out the same
// places from the same writes.
const (
	placeBits = 16
	// whole is the place of a state that has everything of a write: that of lists,
	// and of the objects in them.
	whole = 1<<placeBits - 1
	// maxWrite is the greatest version of a package that a part's can be made of.
	maxWrite = 1<<(63-placeBits) - 1
)

// join makes the version of a part.
func join(write uint64, place int) uint64 { return write<<placeBits | uint64(place) }

// split takes the version of a part apart.
func split(revision uint64) (write uint64, place int) {
	return revision >> placeBits, int(revision & whole)
}

// writeOf reads the resource version of a package or of a list of them.
func writeOf(object interface{ GetResourceVersion() string }) (uint64, error) {
	write, err := strconv.ParseUint(object.GetResourceVersion(), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read a package's resource version: %w", err)
	}
	if write == 0 || write > maxWrite {
		return 0, fmt.Errorf("the resource version %d of a package is not between 1 and %d", write, uint64(maxWrite))
	}
	return write, nil
}

// writeAsked turns the version that a client asked for into the one to ask the
// packages for. It is "0" for versions from before the first write.
func writeAsked(resourceVersion string) (string, error) {
	if resourceVersion == "" {
		return "", nil
	}
	revision, err := computed.ParseRevision(resourceVersion)
	if err != nil {
		return "", err
	}
	write, _ := split(revision)
	return strconv.FormatUint(write, 10), nil
}
