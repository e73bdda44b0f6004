// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"oaas.io/oaas/pkg/generated/clientset/versioned"
)

// target leads the requests of a client to one server or another, as a load
// balancer does. Requests wait while there is none: clients that were refused again
// and again would take a minute to come back.
type target struct {
	current atomic.Pointer[httputil.ReverseProxy]
}

func (r *target) set(s *server) {
	to, err := url.Parse(s.config.Host)
	if err != nil {
		panic(err)
	}
	transport, err := rest.TransportFor(s.config)
	if err != nil {
		panic(err)
	}
	r.current.Store(&httputil.ReverseProxy{
		Rewrite:       func(request *httputil.ProxyRequest) { request.SetURL(to) },
		Transport:     transport,
		FlushInterval: -1,
	})
}

func (r *target) client(t *testing.T) versioned.Interface {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		for r.current.Load() == nil {
			select {
			case <-request.Context().Done():
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
		r.current.Load().ServeHTTP(w, request)
	}))
	t.Cleanup(server.CloseClientConnections)
	return versioned.NewForConfigOrDie(&rest.Config{Host: server.URL})
}
