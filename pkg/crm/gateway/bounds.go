// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"oaas.io/oaas/pkg/grpcserver"
)

// The transcoder reads and unpacks a request before anybody has asked who sends it,
// so what it reads is bounded here, as the gRPC server bounds what it reads itself.

const (
	// maxJSON is the largest answer in bytes. JSON spells out the names of fields, and
	// the empty ones too: a message takes up to 50 times as much room.
	maxJSON = 64 << 20
	// maxBody is the largest body of a request in bytes: a message, and what gRPC-web
	// puts before it.
	maxBody = grpcserver.MaxMessage + 5
)

// bounded refuses bodies that are too large. A body that does not say how large it is
// is read first: the transcoder would take it for a connection that broke.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength < 0 {
			body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
			if err != nil {
				refuse(w, http.StatusBadRequest, status.Newf(codes.InvalidArgument, "the request cannot be read: %v", err))
				return
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		}
		if r.ContentLength > maxBody {
			refuse(w, http.StatusRequestEntityTooLarge, status.Newf(codes.ResourceExhausted, "the request is larger than %d bytes", grpcserver.MaxMessage))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func newCompressor() connect.Compressor { return gzip.NewWriter(io.Discard) }

func newDecompressor() connect.Decompressor { return &decompressor{} }

// decompressor unpacks a message and no more: a few bytes can stand for gigabytes.
type decompressor struct {
	gzip.Reader

	left int
}

// Reset begins with another message.
func (d *decompressor) Reset(packed io.Reader) error {
	d.left = grpcserver.MaxMessage
	if err := d.Reader.Reset(packed); err != nil {
		return connect.NewError(connect.CodeInvalidArgument, err)
	}
	return nil
}

// Read unpacks what there is room for.
func (d *decompressor) Read(p []byte) (int, error) {
	// One byte more tells a message that ends in time from one that does not.
	n, err := d.Reader.Read(p[:min(len(p), d.left+1)])
	if d.left -= n; d.left < 0 {
		return 0, connect.NewError(connect.CodeResourceExhausted, fmt.Errorf("the request is larger than %d bytes", grpcserver.MaxMessage))
	}
	return n, err
}
