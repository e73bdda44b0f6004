// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcserver

import (
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"
)

func TestCorrelationIDIsFitForLogs(t *testing.T) {
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs(CorrelationKey, "abc\n\x1b[31m"+strings.Repeat("x", 500)))
	got := CorrelationID(ctx)
	if len(got) != correlationLimit || strings.ContainsAny(got, "\n\x1b") || !strings.HasPrefix(got, "abc[31mx") {
		t.Errorf("id = %q", got)
	}
}
