// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcserver

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// StreamsPerCaller is how many streams one caller may have open at a time. Each costs
// memory as long as it is open, and some a watch of the API server; a rate of calls
// bounds none of that.
const StreamsPerCaller = 100

// callerKey finds the name of the caller in the context of a call.
type callerKey struct{}

// openStreams counts the open streams of each caller.
type openStreams struct {
	mu sync.Mutex
	of map[string]int
}

// bound is an interceptor for streams of callers that were admitted.
func (o *openStreams) bound(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	caller := callerOf(stream.Context())
	if !o.enter(caller) {
		return status.Errorf(codes.ResourceExhausted, "%s has %d streams open, which is the most: end one first", caller, StreamsPerCaller)
	}
	defer o.leave(caller)
	return handle(server, stream)
}

func (o *openStreams) enter(caller string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of[caller] >= StreamsPerCaller {
		return false
	}
	o.of[caller]++
	return true
}

func (o *openStreams) leave(caller string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of[caller]--; o.of[caller] == 0 {
		delete(o.of, caller)
	}
}

func callerOf(ctx context.Context) string {
	caller, _ := ctx.Value(callerKey{}).(string)
	return caller
}
