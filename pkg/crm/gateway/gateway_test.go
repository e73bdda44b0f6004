// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // as in the program, where other packages install it
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/grpcserver"
)

// fixed answers every list with the same page.
type fixed struct {
	deploymentv1.UnimplementedDeploymentServiceServer
	page *deploymentv1.ListDeploymentRecordsResponse
}

func (f *fixed) ListDeploymentRecords(context.Context, *deploymentv1.ListDeploymentRecordsRequest) (*deploymentv1.ListDeploymentRecordsResponse, error) {
	return f.page, nil
}

func serve(t *testing.T, service deploymentv1.DeploymentServiceServer) *httptest.Server {
	t.Helper()
	server := grpc.NewServer(grpc.MaxRecvMsgSize(grpcserver.MaxMessage), grpc.MaxSendMsgSize(grpcserver.MaxMessage))
	t.Cleanup(server.Stop)
	deploymentv1.RegisterDeploymentServiceServer(server, service)
	handler, err := New(server)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

func TestAFullPageFitsIntoJSON(t *testing.T) {
	page := &deploymentv1.ListDeploymentRecordsResponse{}
	for size := 0; size < 1<<20; {
		// Many short fields are what JSON makes most of.
		record := &deploymentv1.DeploymentRecord{Unit: &deploymentv1.DeploymentUnit{Id: "x"}}
		for range 200 {
			record.Unit.FunctionContainers = append(record.Unit.FunctionContainers, &deploymentv1.FunctionContainer{FunctionKey: "f", Image: "i"})
		}
		page.Records = append(page.Records, record)
		size += proto.Size(record)
	}
	s := serve(t, &fixed{page: page})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/v1/deployments", nil)
	if err != nil {
		t.Fatal(err)
	}
	code, _, body := answer(t, s, request)
	got := &deploymentv1.ListDeploymentRecordsResponse{}
	if code != http.StatusOK || protojson.Unmarshal(body, got) != nil || len(got.GetRecords()) != len(page.GetRecords()) {
		t.Errorf("a page of %d bytes is answered with %d and %d bytes of JSON: %.300s", proto.Size(page), code, len(body), body)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	s := serve(t, &fixed{})
	pack := func(body []byte) []byte {
		var packed bytes.Buffer
		writer := gzip.NewWriter(&packed)
		if _, err := writer.Write(body); err != nil {
			t.Fatal(err)
		}
		if err := writer.Close(); err != nil {
			t.Fatal(err)
		}
		return packed.Bytes()
	}
	large := bytes.Repeat([]byte(" "), 64<<20)
	unit := []byte(`{"id":"x"}`)
	for sentence, test := range map[string]struct {
		body             []byte
		packed, streamed bool
		code             int
	}{
		"one that fits":                        {body: unit, code: http.StatusNotImplemented},
		"one that fits, packed":                {body: pack(unit), packed: true, code: http.StatusNotImplemented},
		"one that says how large it is":        {body: large[:grpcserver.MaxMessage+6], code: http.StatusRequestEntityTooLarge},
		"one of which the size is not told":    {body: large[:grpcserver.MaxMessage+6], streamed: true, code: http.StatusTooManyRequests},
		"one that is small until it is opened": {body: pack(large), packed: true, code: http.StatusTooManyRequests},
		"one that says it is packed":           {body: unit, packed: true, code: http.StatusBadRequest},
	} {
		t.Run(sentence, func(t *testing.T) {
			var body io.Reader = bytes.NewReader(test.body)
			if test.streamed {
				body = io.MultiReader(body)
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/api/v1/deployments", body)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/json")
			if test.packed {
				request.Header.Set("Content-Encoding", "gzip")
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			response, err := s.Client().Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			answer, err := io.ReadAll(response.Body)
			runtime.ReadMemStats(&after)
			if err != nil || response.StatusCode != test.code {
				t.Errorf("answered with %d, want %d: %s (%v)", response.StatusCode, test.code, answer, err)
			}
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 40<<20 {
				t.Errorf("%d bytes took %d MiB", len(test.body), allocated>>20)
			}
		})
	}
}

// answer sends a request and reads all of the answer.
func answer(t *testing.T, s *httptest.Server, request *http.Request) (code int, header http.Header, body []byte) {
	t.Helper()
	response, err := s.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, body
}
