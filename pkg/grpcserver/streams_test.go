// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcserver_test

import (
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	packagev1 "oaas.io/oaas/pkg/generated/grpc/oaas/package/v1"
	"oaas.io/oaas/pkg/grpcserver"
)

func TestACallerHasSoManyStreamsOpen(t *testing.T) {
	d := newDesk(t)
	open := func() grpc.ClientStream {
		t.Helper()
		stream, err := d.conn.NewStream(withToken(t.Context()), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, upload)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.SendMsg(&packagev1.ReportDeploymentStatusRequest{}); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		return stream
	}
	var streams []grpc.ClientStream
	for range grpcserver.StreamsPerCaller {
		streams = append(streams, open())
		// The server has begun with it.
		<-d.got
	}
	if err := open().RecvMsg(&packagev1.ReportDeploymentStatusRequest{}); status.Code(err) != codes.ResourceExhausted {
		t.Fatalf("one stream more ended with %v, want ResourceExhausted", err)
	}
	if err := streams[0].CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := streams[0].RecvMsg(&packagev1.ReportDeploymentStatusRequest{}); !errors.Is(err, io.EOF) {
		t.Fatalf("the first stream ended with %v, want its end", err)
	}
	last := open()
	<-d.got
	if err := last.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := last.RecvMsg(&packagev1.ReportDeploymentStatusRequest{}); !errors.Is(err, io.EOF) {
		t.Errorf("where another ended, a stream ended with %v, want its end", err)
	}
}
