// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcserver

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	middleware "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	// CorrelationKey is the metadata key of the id under which the caller logs.
	CorrelationKey = "oaas-correlation-id"
	// correlationLimit is the longest id that is kept, in characters.
	correlationLimit = 128
)

// interceptors wrap each call, outermost first: log and count, catch panics, bound
// the time or the number of streams, admit the caller.
func interceptors(config Config) []grpc.ServerOption {
	report := reporter{log: config.Log, observe: config.Observe}
	recovered := recovery.WithRecoveryHandlerContext(func(ctx context.Context, p any) error {
		log := logr.FromContextOrDiscard(ctx)
		if report, ok := ctx.Value(reportKey{}).(*callReport); ok {
			log = report.log
		}
		log.Error(fmt.Errorf("panic: %v", p), "A call failed", "stack", string(debug.Stack()))
		return status.Error(codes.Internal, "internal error")
	})
	admit := func(ctx context.Context) (context.Context, error) {
		method, _ := grpc.Method(ctx)
		ctx, caller, err := config.Admit(ctx, method)
		if err != nil {
			return nil, err
		}
		if body, ok := ctx.Value(bodyKey{}).(*awaitedBody); ok {
			body.admit()
		}
		ctx = context.WithValue(ctx, callerKey{}, caller)
		return logr.NewContext(ctx, logr.FromContextOrDiscard(ctx).WithValues("caller", caller)), nil
	}
	streams := &openStreams{of: map[string]int{}}
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(
			middleware.UnaryServerInterceptor(report),
			recovery.UnaryServerInterceptor(recovered),
			boundTime,
			auth.UnaryServerInterceptor(admit),
		),
		grpc.ChainStreamInterceptor(
			middleware.StreamServerInterceptor(report),
			recovery.StreamServerInterceptor(recovered),
			auth.StreamServerInterceptor(admit),
			streams.bound,
		),
	}
}

func boundTime(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, MaxDeadline)
	defer cancel()
	return handle(ctx, request)
}

// reporter logs and counts calls.
type reporter struct {
	log     logr.Logger
	observe func(method, code string, duration time.Duration)
}

// ServerReporter starts the report of one call.
func (r reporter) ServerReporter(ctx context.Context, call middleware.CallMeta) (middleware.Reporter, context.Context) {
	log := r.log.WithValues("method", call.FullMethod())
	if id := CorrelationID(ctx); id != "" {
		log = log.WithValues("correlationID", id)
	}
	report := &callReport{log: log, observe: r.observe, method: call.FullMethod()}
	return report, context.WithValue(logr.NewContext(ctx, log), reportKey{}, report)
}

// reportKey finds the report of a call in its context.
type reportKey struct{}

type callReport struct {
	middleware.NoopReporter
	log     logr.Logger
	observe func(method, code string, duration time.Duration)
	method  string
	// unreadable is true when the caller sent what is no message.
	unreadable atomic.Bool
}

// PostMsgReceive notes that a message could not be read, for which gRPC has the same
// code as for what goes wrong here.
func (r *callReport) PostMsgReceive(_ any, err error, _ time.Duration) {
	if status.Code(err) == codes.Internal {
		r.unreadable.Store(true)
	}
}

// PostCall ends the report. What the caller did wrong is its own business and
// logged with the rest; what we did wrong is an error.
func (r *callReport) PostCall(err error, duration time.Duration) {
	code := status.Code(err)
	r.observe(r.method, code.String(), duration)
	ours := code == codes.Internal || code == codes.Unknown || code == codes.DataLoss
	switch {
	case ours && !r.unreadable.Load():
		r.log.Error(err, "call failed", "duration", duration.String())
	case code == codes.OK:
		r.log.V(1).Info("call", "duration", duration.String())
	default:
		r.log.V(1).Info("call refused", "code", code.String(), "reason", status.Convert(err).Message(), "duration", duration.String())
	}
}

// CorrelationID is the caller's id of the call, made fit for a log and an
// annotation.
func CorrelationID(ctx context.Context) string {
	values := metadata.ValueFromIncomingContext(ctx, CorrelationKey)
	if len(values) == 0 {
		return ""
	}
	id := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, values[0])
	return id[:min(len(id), correlationLimit)]
}
