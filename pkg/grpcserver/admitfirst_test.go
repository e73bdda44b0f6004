// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcserver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // callers may compress
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	packagev1 "oaas.io/oaas/pkg/generated/grpc/oaas/package/v1"
	"oaas.io/oaas/pkg/grpcserver"
)

const (
	report = "/oaas.package.v1.PackageService/ReportDeploymentStatus"
	upload = "/test.Uploads/Upload"
	deploy = "/oaas.deployment.v1.DeploymentService/GetDeploymentStatus"
)

// raw sends bytes as they are and drops answers.
type raw struct{}

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}
func (raw) Unmarshal(mem.BufferSlice, any) error { return nil }
func (raw) Name() string                         { return "proto" }
func empties(field protowire.Number, n int) []byte {
	return bytes.Repeat(protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.BytesType), 0), n)
}
func withToken(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer good")
}

// desk is a server that knows one token and keeps what it was sent.
type desk struct {
	packagev1.UnimplementedPackageServiceServer
	deploymentv1.UnimplementedDeploymentServiceServer

	conn     *grpc.ClientConn
	admitted atomic.Int32
	got      chan proto.Message

	mu     sync.Mutex
	logged strings.Builder
	codes  []string
}

func (d *desk) ReportDeploymentStatus(_ context.Context, request *packagev1.ReportDeploymentStatusRequest) (*packagev1.ReportDeploymentStatusResponse, error) {
	d.got <- request
	return &packagev1.ReportDeploymentStatusResponse{}, nil
}

func (d *desk) GetDeploymentStatus(_ context.Context, request *deploymentv1.GetDeploymentStatusRequest) (*deploymentv1.GetDeploymentStatusResponse, error) {
	if request.GetDeploymentId() == "broken" {
		panic("what a surprise")
	}
	return nil, status.Error(codes.NotFound, "not there")
}

func (d *desk) upload(_ any, stream grpc.ServerStream) error {
	for {
		request := &packagev1.ReportDeploymentStatusRequest{}
		if err := stream.RecvMsg(request); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		d.got <- request
	}
}

// logs is what was logged so far.
func (d *desk) logs() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.logged.String()
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{got: make(chan proto.Message, 10)}
	server := grpcserver.New(grpcserver.Config{
		Admit: func(ctx context.Context, _ string) (context.Context, string, error) {
			d.admitted.Add(1)
			if values := metadata.ValueFromIncomingContext(ctx, "authorization"); len(values) != 1 || values[0] != "Bearer good" {
				return nil, "", status.Error(codes.Unauthenticated, "no credentials")
			}
			return ctx, "somebody", nil
		},
		Observe: func(_, code string, _ time.Duration) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.codes = append(d.codes, code)
		},
		Log: funcr.New(func(_, args string) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.logged.WriteString(args + "\n")
		}, funcr.Options{Verbosity: 1}),
	})
	packagev1.RegisterPackageServiceServer(server, d)
	deploymentv1.RegisterDeploymentServiceServer(server, d)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Uploads", HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{StreamName: "Upload", Handler: d.upload, ClientStreams: true, ServerStreams: true}},
	}, struct{}{})
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.ServeUntil(ctx, listener, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	d.conn, err = grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.conn.Close() })
	// The connection itself is not what is measured.
	if _, err := healthv1.NewHealthClient(d.conn).Check(withToken(t.Context()), &healthv1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	return d
}

// send calls with a message that is bytes, and tells how much memory that took.
func (d *desk) send(ctx context.Context, method string, message []byte, options ...grpc.CallOption) (uint64, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := d.call(ctx, method, message, append(options, grpc.ForceCodecV2(raw{}))...)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, err
}

func (d *desk) call(ctx context.Context, method string, message []byte, options ...grpc.CallOption) error {
	if method != upload {
		return d.conn.Invoke(ctx, method, message, new([]byte), options...)
	}
	stream, err := d.conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method, options...)
	if err != nil {
		return err
	}
	// A stream that was ended says why when it is read from.
	if err := stream.SendMsg(message); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	_ = stream.CloseSend()
	if err := stream.RecvMsg(new([]byte)); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// A few bytes of a message stand for many of memory.
func TestNothingIsDecodedForCallersWhoAreNotAdmitted(t *testing.T) {
	d := newDesk(t)
	message := empties(2, grpcserver.MaxMessage/2)
	for _, method := range []string{report, upload} {
		for sentence, options := range map[string][]grpc.CallOption{"as it is": nil, "compressed": {grpc.UseCompressor("gzip")}} {
			t.Run(fmt.Sprint(method, " ", sentence), func(t *testing.T) {
				allocated, err := d.send(t.Context(), method, message, options...)
				if status.Code(err) != codes.Unauthenticated {
					t.Errorf("err = %v, want UNAUTHENTICATED", err)
				}
				if allocated > 16<<20 {
					t.Errorf("a call that was refused took %d MiB", allocated>>20)
				}
			})
		}
	}
}

func TestRequestsArriveWhole(t *testing.T) {
	d := newDesk(t)
	want := &packagev1.ReportDeploymentStatusRequest{Cluster: "a", Statuses: []*packagev1.UnitStatus{{Condition: "Running"}, {}}}
	want.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 4711, protowire.BytesType), "from a newer caller"))
	message, err := proto.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{report, upload} {
		for sentence, options := range map[string][]grpc.CallOption{"as it is": nil, "compressed": {grpc.UseCompressor("gzip")}} {
			t.Run(fmt.Sprint(method, " ", sentence), func(t *testing.T) {
				d.admitted.Store(0)
				if _, err := d.send(withToken(t.Context()), method, message, options...); err != nil {
					t.Fatal(err)
				}
				if got := <-d.got; !proto.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
				if n := d.admitted.Load(); n != 1 {
					t.Errorf("one call was counted %d times", n)
				}
			})
		}
	}
}

func TestRequestsThatCannotBeReadAreTheCallersBusiness(t *testing.T) {
	d := newDesk(t)
	for sentence, test := range map[string]struct {
		message []byte
		code    codes.Code
		says    string
	}{
		"what is no message": {[]byte{0xff}, codes.Internal, "grpc: failed to unmarshal the received message: "},
		"one too large":      {make([]byte, grpcserver.MaxMessage+1), codes.ResourceExhausted, "grpc: received message larger than max"},
	} {
		for _, method := range []string{report, upload} {
			t.Run(method+" "+sentence, func(t *testing.T) {
				_, err := d.send(withToken(t.Context()), method, test.message)
				if status.Code(err) != test.code || !strings.Contains(err.Error(), test.says) {
					t.Errorf("err = %v, want %v: %s", err, test.code, test.says)
				}
			})
		}
	}
	if logs := d.logs(); strings.Contains(logs, "call failed") {
		t.Errorf("logged as failures of the server:\n%s", logs)
	}
}

func TestLogsTellWhatACallIsAbout(t *testing.T) {
	d := newDesk(t)
	for id, want := range map[string]struct {
		code codes.Code
		logs []string
	}{
		"cart":   {codes.NotFound, []string{`"call refused"`}},
		"broken": {codes.Internal, []string{`"A call failed"`, `"call failed"`}},
	} {
		_, err := deploymentv1.NewDeploymentServiceClient(d.conn).GetDeploymentStatus(withToken(t.Context()),
			&deploymentv1.GetDeploymentStatusRequest{DeploymentId: id})
		if status.Code(err) != want.code {
			t.Errorf("%s: err = %v, want %v", id, err, want.code)
		}
		for _, message := range want.logs {
			found := false
			for line := range strings.Lines(d.logs()) {
				found = found || strings.Contains(line, message) && strings.Contains(line, `"deploymentID"="`+id+`"`) && strings.Contains(line, deploy)
			}
			if !found {
				t.Errorf("no line with %s about %s in\n%s", message, id, d.logs())
			}
		}
	}
}
