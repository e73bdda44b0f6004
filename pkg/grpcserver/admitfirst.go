// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcserver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/go-logr/logr"
	"google.golang.org/grpc"
)

// RegisterService adds a service. Its unary methods read their request after the
// interceptors have admitted the caller: gRPC's own way is to unpack and decode it
// first and to hand it to the interceptors. Streams read when their handler asks.
func (s *Server) RegisterService(service *grpc.ServiceDesc, implementation any) {
	guarded := *service
	guarded.Methods = slices.Clone(service.Methods)
	for i := range guarded.Methods {
		method := &guarded.Methods[i]
		method.Handler = admitFirst("/"+service.ServiceName+"/"+method.MethodName, method.Handler)
	}
	s.grpc.RegisterService(&guarded, implementation)
}

// admitFirst passes a call through the interceptors without its request, and reads
// that when they hand it on.
func admitFirst(fullMethod string, handle grpc.MethodHandler) grpc.MethodHandler {
	return func(service any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
		info := &grpc.UnaryServerInfo{Server: service, FullMethod: fullMethod}
		return intercept(ctx, nil, info, func(ctx context.Context, _ any) (any, error) {
			read := func(request any) error {
				err := decode(request)
				if report, ok := ctx.Value(reportKey{}).(*callReport); ok {
					report.PostMsgReceive(request, err, 0)
				}
				return err
			}
			return handle(service, ctx, read, named)
		})
	}
}

// named adds what a request is about to the logs of its call.
func named(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	about, ok := request.(interface{ GetDeploymentId() string })
	if !ok {
		return handle(ctx, request)
	}
	const key = "deploymentID"
	if report, ok := ctx.Value(reportKey{}).(*callReport); ok {
		report.log = report.log.WithValues(key, about.GetDeploymentId())
	}
	return handle(logr.NewContext(ctx, logr.FromContextOrDiscard(ctx).WithValues(key, about.GetDeploymentId())), request)
}

// ServeHTTP answers one call that HTTP brings, as a translator calls it. Nothing of
// the body is read before the caller is admitted, so that a translator which decodes
// what is read does not do so for strangers either.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := &awaitedBody{ReadCloser: r.Body, admitted: make(chan struct{}), closed: make(chan struct{})}
	r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, body))
	r.Body = body
	s.grpc.ServeHTTP(w, r)
}

// bodyKey finds the body of a call that HTTP brought in its context.
type bodyKey struct{}

// awaitedBody is read when the caller was admitted. gRPC reads bodies ahead and
// closes them when the call is over, which is how the wait for a caller who is not
// admitted ends.
type awaitedBody struct {
	io.ReadCloser

	admitted, closed         chan struct{}
	admittedOnce, closedOnce sync.Once
}

var errClosedBody = errors.New("the body is closed")

// admit lets the body be read.
func (b *awaitedBody) admit() { b.admittedOnce.Do(func() { close(b.admitted) }) }

// Read waits until the caller is admitted.
func (b *awaitedBody) Read(p []byte) (int, error) {
	select {
	case <-b.admitted:
		return b.ReadCloser.Read(p)
	case <-b.closed:
		return 0, errClosedBody
	}
}

// Close ends the wait too.
func (b *awaitedBody) Close() error {
	b.closedOnce.Do(func() { close(b.closed) })
	return b.ReadCloser.Close()
}
