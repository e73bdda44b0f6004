// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"

	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/grpcserver"
)

// counting tells how many containers a unit has.
type counting struct {
	deploymentv1.UnimplementedDeploymentServiceServer
	containers chan int
}

func (c *counting) Deploy(_ context.Context, request *deploymentv1.DeployRequest) (*deploymentv1.DeployResponse, error) {
	c.containers <- len(request.GetUnit().GetFunctionContainers())
	return &deploymentv1.DeployResponse{}, nil
}

func TestNothingIsDecodedForCallersWhoAreNotAdmitted(t *testing.T) {
	service := &counting{containers: make(chan int, 1)}
	var admissions atomic.Int32
	server := grpcserver.New(grpcserver.Config{
		Admit: func(ctx context.Context, _ string) (context.Context, string, error) {
			admissions.Add(1)
			if values := metadata.ValueFromIncomingContext(ctx, "authorization"); len(values) != 1 || values[0] != "Bearer good" {
				// As long as it takes to ask about a token.
				time.Sleep(300 * time.Millisecond)
				return nil, "", status.Error(codes.Unauthenticated, "no credentials")
			}
			return ctx, "somebody", nil
		},
		Observe: func(string, string, time.Duration) {},
		Log:     logr.Discard(),
	})
	deploymentv1.RegisterDeploymentServiceServer(server, service)
	handler, err := New(server)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)

	// JSON takes three bytes for an empty container, protobuf two.
	inJSON := func(n int) []byte {
		return []byte(`{"function_containers":[` + strings.TrimSuffix(strings.Repeat("{},", n), ",") + `]}`)
	}
	inWeb := func(n int) []byte {
		containers := bytes.Repeat(protowire.AppendVarint(protowire.AppendTag(nil, 10, protowire.BytesType), 0), n)
		message := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), containers)
		return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	}
	const call = "/oaas.deployment.v1.DeploymentService/Deploy"
	for sentence, test := range map[string]struct {
		path, contentType string
		body              func(int) []byte
		many              int
		streamed          bool
	}{
		"JSON":                        {path: "/api/v1/deployments", contentType: "application/json", body: inJSON, many: 1_300_000},
		"JSON whose size is not told": {path: "/api/v1/deployments", contentType: "application/json", body: inJSON, many: 1_300_000, streamed: true},
		"gRPC-web":                    {path: call, contentType: "application/grpc-web+proto", body: inWeb, many: 2_000_000},
	} {
		t.Run(sentence, func(t *testing.T) {
			send := func(body []byte, token string) (int, http.Header, []byte) {
				var reader io.Reader = bytes.NewReader(body)
				if test.streamed {
					reader = io.MultiReader(reader)
				}
				request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+test.path, reader)
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Content-Type", test.contentType)
				if token != "" {
					request.Header.Set("Authorization", "Bearer "+token)
				}
				return answer(t, s, request)
			}

			admissions.Store(0)
			if code, _, answer := send(test.body(3), "good"); code != http.StatusOK || <-service.containers != 3 {
				t.Errorf("a caller who is admitted gets %d: %s", code, answer)
			}
			if n := admissions.Load(); n != 1 {
				t.Errorf("one call was counted %d times", n)
			}

			body := test.body(test.many)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			code, header, answer := send(body, "")
			runtime.ReadMemStats(&after)
			refused := &spb.Status{}
			switch {
			case test.contentType != "application/json":
				if header.Get("Grpc-Status") != "16" && !bytes.Contains(answer, []byte("grpc-status: 16")) {
					t.Errorf("answered with %v and %q, want UNAUTHENTICATED", header, answer)
				}
			case code != http.StatusUnauthorized || protojson.Unmarshal(answer, refused) != nil || codes.Code(refused.GetCode()) != codes.Unauthenticated:
				t.Errorf("answered with %d: %s, want UNAUTHENTICATED", code, answer)
			}
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 4<<20 {
				t.Errorf("a call that was refused took %d KiB", allocated>>10)
			}
		})
	}
}
