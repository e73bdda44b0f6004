// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package gateway answers callers that do not speak gRPC: HTTP with JSON, by the
// routes that the services declare, and gRPC-web. Every call goes through the gRPC
// server with all that it checks, so credentials, limits and errors are the same.
package gateway

import (
	"fmt"
	"net/http"

	"connectrpc.com/vanguard"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
)

// Server answers calls of gRPC that a handler of HTTP brings. The transcoder decodes
// what the server reads of a body, so it is to read when it knows who calls.
type Server interface {
	http.Handler
	reflection.ServiceInfoProvider
}

// New returns a handler of all services that the server has by now.
func New(server Server) (http.Handler, error) {
	var services []*vanguard.Service
	for name := range server.GetServiceInfo() {
		services = append(services, vanguard.NewService(name, server))
	}
	transcoder, err := vanguard.NewTranscoder(services,
		vanguard.WithDefaultServiceOptions(
			vanguard.WithTargetProtocols(vanguard.ProtocolGRPC),
			vanguard.WithTargetCodecs(vanguard.CodecProto),
			vanguard.WithMaxMessageBufferBytes(maxJSON),
		),
		// Before the codec: the option for compression takes codecs for its own.
		vanguard.WithCompression("gzip", newCompressor, newDecompressor),
		vanguard.WithCodec(newJSON),
		vanguard.WithUnknownHandler(http.HandlerFunc(unknown)),
	)
	if err != nil {
		return nil, fmt.Errorf("set up HTTP for gRPC: %w", err)
	}
	// A page of another site must not act with what its reader's browser holds: a
	// client certificate, or a place inside the network of a cluster for developers.
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(crossOrigin))
	return protection.Handler(bounded(queries(transcoder))), nil
}

func unknown(w http.ResponseWriter, r *http.Request) {
	refuse(w, http.StatusNotFound, status.Newf(codes.NotFound, "%s is not served: the routes are below /api/v1/", r.URL.Path))
}

func crossOrigin(w http.ResponseWriter, _ *http.Request) {
	refuse(w, http.StatusForbidden, status.New(codes.PermissionDenied, "a page of another site may not call"))
}

// refuse answers as the transcoder does for errors of calls: with google.rpc.Status.
func refuse(w http.ResponseWriter, code int, reason *status.Status) {
	body, err := protojson.Marshal(reason.Proto())
	if err != nil {
		http.Error(w, reason.Message(), code)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(body)
}
