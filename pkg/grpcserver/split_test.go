// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package grpcserver_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	certutil "k8s.io/client-go/util/cert"

	"oaas.io/oaas/pkg/grpcserver"
)

// scene is a server that tells who called it by which protocol.
type scene struct {
	address string
	// trust is what a client has to trust; nil in plain text.
	trust *x509.CertPool
	// callers get the peer of each gRPC call.
	callers chan *peer.Peer
	stop    func() error
}

func start(t *testing.T, secure bool, handler http.HandlerFunc) *scene {
	t.Helper()
	s := &scene{callers: make(chan *peer.Peer, 100)}
	config := grpcserver.Config{
		Admit: func(ctx context.Context, _ string) (context.Context, string, error) {
			caller, _ := peer.FromContext(ctx)
			s.callers <- caller
			return ctx, "somebody", nil
		},
		Observe: func(string, string, time.Duration) {},
		Log:     logr.Discard(),
	}
	if secure {
		certificate, key, err := certutil.GenerateSelfSignedCertKey("localhost", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			t.Fatal(err)
		}
		s.trust = x509.NewCertPool()
		s.trust.AppendCertsFromPEM(certificate)
		inner := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}
		// As where authorities of callers change while the server runs.
		config.TLS = &tls.Config{
			MinVersion:         tls.VersionTLS12,
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return inner, nil },
		}
	}
	server := grpcserver.New(config)
	server.HandleHTTP(handler)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.ServeUntil(ctx, listener, nil) }()
	s.stop = func() error {
		cancel()
		err := <-ended
		ended <- err
		return err
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return s
}

func (s *scene) dial(t *testing.T) healthv1.HealthClient {
	t.Helper()
	secured := insecure.NewCredentials()
	if s.trust != nil {
		secured = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.trust})
	}
	conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(secured))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return healthv1.NewHealthClient(conn)
}

// client speaks HTTP of one version.
func (s *scene) client(version int) (*http.Client, string) {
	protocols := &http.Protocols{}
	scheme := "http"
	switch {
	case version == 1:
		protocols.SetHTTP1(true)
	case s.trust != nil:
		protocols.SetHTTP2(true)
	default:
		protocols.SetUnencryptedHTTP2(true)
	}
	transport := &http.Transport{Protocols: protocols}
	if s.trust != nil {
		scheme, transport.TLSClientConfig = "https", &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.trust}
	}
	return &http.Client{Transport: transport}, scheme + "://" + s.address
}

func fetch(ctx context.Context, client *http.Client, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func protocolOf(w http.ResponseWriter, r *http.Request) {
	_, _ = fmt.Fprintf(w, "%s tls=%t", r.Proto, r.TLS != nil)
}

func TestOnePortAnswersGRPCAndHTTP(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("with TLS %t", secure), func(t *testing.T) {
			s := start(t, secure, protocolOf)
			health := s.dial(t)
			for range 3 {
				if _, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil {
					t.Fatalf("gRPC: %v", err)
				}
				if caller := <-s.callers; (caller.AuthInfo != nil) != secure {
					t.Errorf("gRPC: the server knows %v of the connection", caller.AuthInfo)
				}
			}
			for version, want := range map[int]string{1: "HTTP/1.1", 2: "HTTP/2.0"} {
				client, url := s.client(version)
				defer client.CloseIdleConnections()
				for range 3 {
					if got, err := fetch(t.Context(), client, url); err != nil || got != fmt.Sprintf("%s tls=%t", want, secure) {
						t.Errorf("HTTP/%d: got %q, %v", version, got, err)
					}
				}
			}
		})
	}
}

// A connection that asks for nothing is that of a gRPC client which keeps one ready,
// and its first call is answered.
func TestAConnectionThatWaitsIsOneOfGRPC(t *testing.T) {
	s := start(t, false, protocolOf)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	framer := http2.NewFramer(conn, conn)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	// The first settings are the splitter's, the second ones the gRPC server's.
	for settings := 0; settings < 2; {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("after %d settings: %v", settings, err)
		}
		if f, ok := frame.(*http2.SettingsFrame); ok && !f.IsAck() {
			settings++
			if err := framer.WriteSettingsAck(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := framer.WritePing(false, [8]byte{1}); err != nil {
		t.Fatal(err)
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("the gRPC server does not answer a ping: %v", err)
		}
		if f, ok := frame.(*http2.PingFrame); ok && f.IsAck() {
			return
		}
	}
}

func TestWhatIsNoProtocolIsCutOff(t *testing.T) {
	s := start(t, false, protocolOf)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nthis is no frame of HTTP/2, is it?"); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.ReadAll(conn); errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the connection stays open: %v", err)
	}
	if _, err := s.dial(t).Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil {
		t.Errorf("another caller: %v", err)
	}
}

func TestRunningRequestsFinishAtTheEnd(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprint("HTTP/", version), func(t *testing.T) {
			begun, finish := make(chan struct{}), make(chan struct{})
			s := start(t, false, func(w http.ResponseWriter, _ *http.Request) {
				close(begun)
				<-finish
				_, _ = io.WriteString(w, "finished")
			})
			health := s.dial(t)
			if _, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil {
				t.Fatal(err)
			}
			client, url := s.client(version)
			type answer struct {
				body string
				err  error
			}
			answers := make(chan answer, 1)
			go func() {
				body, err := fetch(context.WithoutCancel(t.Context()), client, url)
				answers <- answer{body, err}
			}()
			<-begun
			stopped := make(chan error, 1)
			go func() { stopped <- s.stop() }()
			// New callers are no longer taken.
			eventually(t, func() bool {
				conn, err := (&net.Dialer{Timeout: time.Second}).Dial("tcp", s.address)
				if err == nil {
					_ = conn.Close()
				}
				return err != nil
			})
			close(finish)
			if got := <-answers; got.err != nil || got.body != "finished" {
				t.Errorf("the running request got %q, %v", got.body, got.err)
			}
			if err := <-stopped; err != nil {
				t.Errorf("the server ended with %v", err)
			}
			if _, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{}); status.Code(err) != codes.Unavailable {
				t.Errorf("a call after the end: %v, want UNAVAILABLE", err)
			}
		})
	}
}

func eventually(t *testing.T, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !check(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not happen")
		}
	}
}

func TestLargeRequestsArePassedOnWhole(t *testing.T) {
	s := start(t, false, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprint(w, len(body), err)
	})
	for _, version := range []int{1, 2} {
		client, url := s.client(version)
		defer client.CloseIdleConnections()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(strings.Repeat("x", 3<<20)))
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if want := fmt.Sprint(3<<20, nil); string(got) != want {
			t.Errorf("HTTP/%d: the handler read %s, want %s", version, got, want)
		}
	}
}
