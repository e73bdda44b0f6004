// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package computed

import (
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// ParseRevision reads a resource version that a client sent. It is 0 for ""
// and "0", which mean no version in particular, and a bad request for what is no
// number.
func ParseRevision(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	revision, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, apierrors.NewBadRequest(fmt.Sprintf("resourceVersion %.40q is not one that this server gave out: list without it", text))
	}
	return revision, nil
}

// FormatRevision writes a resource version the way that clients see it.
func FormatRevision(revision uint64) string { return strconv.FormatUint(revision, 10) }
