// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"

	"connectrpc.com/connect"
	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"oaas.io/oaas/pkg/grpcserver"
)

// The transcoder reads, unpacks and decodes a request while the gRPC server reads it,
// which it does once it has admitted the caller. What it reads is bounded here, as the
// gRPC server bounds what it reads itself.

const (
	// maxJSON is the largest answer in bytes. JSON spells out the names of fields, and
	// the empty ones too: a message takes up to 50 times as much room.
	maxJSON = 64 << 20
	// maxBody is the largest body of a request in bytes: a message, and what gRPC-web
	// puts before it.
	maxBody = grpcserver.MaxMessage + 5
)

// bounded refuses bodies that are too large. One that does not say how large it is ends
// with an error when it has become so: to find out here would be to keep what callers
// send before anybody has asked who they are.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > maxBody {
			refuse(w, http.StatusRequestEntityTooLarge, status.New(codes.ResourceExhausted, errTooLarge.Error()))
			return
		}
		if r.ContentLength < 0 {
			// In a copy: the HTTP server looks at the body of its own when the call is over.
			unsized := *r
			unsized.Body = &boundedBody{ReadCloser: r.Body, left: maxBody}
			r = &unsized
		}
		next.ServeHTTP(w, r)
	})
}

var errTooLarge = fmt.Errorf("the request is larger than %d bytes", grpcserver.MaxMessage)

// boundedBody is a body that may be too large.
type boundedBody struct {
	io.ReadCloser

	left int
}

// Read reads what there is room for. The gRPC server takes errors of reading for those
// of a connection that broke, except for what HTTP/2 has a code for.
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left+1)])
	if b.left -= n; b.left < 0 {
		b.left = 0
		return 0, http2.StreamError{Code: http2.ErrCodeEnhanceYourCalm, Cause: errTooLarge}
	}
	return n, err
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
		return 0, connect.NewError(connect.CodeResourceExhausted, errTooLarge)
	}
	return n, err
}
