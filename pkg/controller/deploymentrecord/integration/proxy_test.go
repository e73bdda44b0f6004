// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"k8s.io/client-go/rest"

	"oaas.io/oaas/pkg/internal/porttest"
)

// proxy stands between a client and the API server and can be closed and opened.
type proxy struct {
	target  string
	address string

	mu       sync.Mutex
	listener net.Listener
	// release gives the port back that a closed proxy has.
	release func()
	open    map[net.Conn]struct{}
}

// newProxy returns an open proxy and a configuration that goes through it.
func newProxy(t *testing.T) (*proxy, *rest.Config) {
	t.Helper()
	config := kube.RESTConfig()
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{target: target.Host, address: "127.0.0.1:0", open: map[net.Conn]struct{}{}}
	p.up(t)
	t.Cleanup(func() { p.down(t) })
	config.Host = "https://" + p.address
	return p, config
}

// up lets connections through.
func (p *proxy) up(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.release != nil {
		p.release()
		p.release = nil
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	p.listener, p.address = listener, listener.Addr().String()
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go p.pass(client)
		}
	}()
}

// down closes every connection and refuses new ones. Nobody else gets the port.
func (p *proxy) down(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.listener.Close()
	_, p.release = porttest.Hold(t, p.address)
	for conn := range p.open {
		_ = conn.Close()
	}
	clear(p.open)
}

func (p *proxy) pass(client net.Conn) {
	server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	if p.release != nil {
		// It was closed meanwhile.
		_, _ = client.Close(), server.Close()
	}
	p.open[client], p.open[server] = struct{}{}, struct{}{}
	p.mu.Unlock()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	_, _ = io.Copy(client, server)
	_ = client.Close()
}
