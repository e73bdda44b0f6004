// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package etcdauth

import (
	"context"
	"errors"
	"io"
	"strings"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// forward passes a call on to etcd.
func (p *Proxy) forward(_ any, call grpc.ServerStream) error {
	path, ok := grpc.MethodFromServerStream(call)
	if !ok {
		return status.Error(codes.Internal, "the method of the call is not known")
	}
	method := findMethod(path)
	if method == nil {
		return status.Errorf(codes.Unimplemented, "etcd has no method %s", path)
	}
	ctx := call.Context()
	if sent, ok := metadata.FromIncomingContext(ctx); ok {
		ctx = metadata.NewOutgoingContext(ctx, sent)
	}
	connection := p.client.Load().ActiveConnection()
	var err error
	if method.IsStreamingClient() || method.IsStreamingServer() {
		err = forwardStream(ctx, call, connection, path)
	} else {
		err = forwardCall(ctx, call, connection, path)
	}
	if status.Code(err) == codes.Canceled && call.Context().Err() == nil {
		// Not the caller gave up, but the connection was replaced by that of another
		// user. Said so, the caller does not try again.
		return status.Error(codes.Unavailable, "the connection to etcd was replaced")
	}
	return err
}

// forwardCall passes on a call of one message and one answer. The connection gets
// a new token when etcd no longer knows the one that it has.
func forwardCall(ctx context.Context, call grpc.ServerStream, connection *grpc.ClientConn, path string) error {
	var request, answer message
	if err := call.RecvMsg(&request); err != nil {
		return err
	}
	if err := connection.Invoke(ctx, path, &request, &answer, grpc.ForceCodecV2(codec{})); err != nil {
		return err
	}
	return call.SendMsg(&answer)
}

// forwardStream passes on messages in both directions until etcd ends the stream,
// or the caller goes away, which ends the context.
func forwardStream(ctx context.Context, call grpc.ServerStream, connection *grpc.ClientConn, path string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	both := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	stream, err := connection.NewStream(ctx, both, path, grpc.ForceCodecV2(codec{}))
	if err != nil {
		return err
	}
	go func() {
		for {
			var request message
			if err := call.RecvMsg(&request); errors.Is(err, io.EOF) {
				_ = stream.CloseSend() // what is wrong with the stream, its receiver is told
				return
			} else if err != nil {
				cancel()
				return
			}
			if err := stream.SendMsg(&request); err != nil {
				return // its receiver is told why
			}
		}
	}()
	for {
		var answer message
		if err := stream.RecvMsg(&answer); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := call.SendMsg(&answer); err != nil {
			return err
		}
	}
}

// findMethod returns etcd's method of a path such as /etcdserverpb.KV/Range, nil
// if it has none.
func findMethod(path string) protoreflect.MethodDescriptor {
	service, name, found := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !found {
		return nil
	}
	file := etcdserverpb.File_rpc_proto
	described := file.Services().ByName(protoreflect.FullName(service).Name())
	if described == nil || string(described.FullName()) != service {
		return nil
	}
	return described.Methods().ByName(protoreflect.Name(name))
}
