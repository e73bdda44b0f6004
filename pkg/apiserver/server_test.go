// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	certutil "k8s.io/client-go/util/cert"

	"oaas.io/oaas/pkg/generated/clientset/versioned"
	"oaas.io/oaas/pkg/registry/pm/packages"
)

const readyWithin = time.Minute

// server is a Package Manager that runs in the test's process, with an etcd of
// its own and without a host cluster.
type server struct {
	// config and client are those of an administrator.
	config  *rest.Config
	client  versioned.Interface
	etcd    string
	dataDir string
	// ca signed the certificate that the server made for itself.
	ca []byte
	// stop ends the server and returns when it has ended.
	stop func()
	// ending is closed when the server is told to end.
	ending <-chan struct{}
	// dependents lists who depends on a package, as its controller has it done.
	dependents packages.Dependents
}

// runServer runs a server on a data folder until the test ends or stop is
// called.
func runServer(t *testing.T, dataDir string, change ...func(*Options)) *server {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	options := NewOptions()
	options.Standalone = true
	options.Controllers.Enabled = false
	options.SecureServing.Listener = listener
	options.SecureServing.BindPort = listener.Addr().(*net.TCPAddr).Port
	options.SecureServing.BindAddress = net.IPv4(127, 0, 0, 1)
	options.EmbeddedEtcd.Enabled = true
	options.EmbeddedEtcd.DataDir = dataDir
	options.Authentication.ClientCert.ClientCA = writeCA(t)
	for _, f := range change {
		f(options)
	}

	completed, err := options.Complete()
	if err != nil {
		t.Fatal(err)
	}
	if err := completed.Validate(); err != nil {
		t.Fatal(err)
	}
	completed, storage, err := completed.openStorage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	config, err := completed.Config()
	if err != nil {
		storage.close()
		t.Fatal(err)
	}
	made, err := config.Complete().New()
	if err != nil {
		storage.close()
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- made.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with an error: %v", err)
		}
		storage.close()
	}
	t.Cleanup(stop)

	clientConfig := rest.CopyConfig(made.Generic.LoopbackClientConfig)
	clientConfig.QPS = -1
	s := &server{
		config:  clientConfig,
		client:  versioned.NewForConfigOrDie(clientConfig),
		etcd:    completed.EmbeddedEtcd.Endpoint(),
		dataDir: dataDir,
		stop:    stop,
		ending:  ctx.Done(),

		dependents: made.dependents,
	}
	if generated := completed.SecureServing.ServerCert.GeneratedCert; generated != nil {
		s.ca, _ = generated.CurrentCertKeyContent()
	}
	s.waitUntilReady(t)
	return s
}

// as is how a client reaches the server that shows the given credentials, none
// when it is called without.
func (s *server) as(change ...func(*rest.Config)) *rest.Config {
	config := rest.AnonymousClientConfig(s.config)
	config.QPS = -1
	config.TLSClientConfig = rest.TLSClientConfig{CAData: s.ca, ServerName: "localhost"}
	for _, f := range change {
		f(config)
	}
	return config
}

func (s *server) waitUntilReady(t *testing.T) {
	t.Helper()
	var last string
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, readyWithin, true, func(ctx context.Context) (bool, error) {
		body, err := s.raw(t).Get().AbsPath("/readyz").Param("verbose", "").DoRaw(ctx)
		last = string(body)
		return err == nil, nil
	})
	if err != nil {
		t.Fatalf("the server is not ready: %v\n%s", err, last)
	}
}

// raw asks for paths that no typed client knows.
func (s *server) raw(t *testing.T) rest.Interface {
	t.Helper()
	config := rest.CopyConfig(s.config)
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	client, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// dataFolder is a folder with a path short enough for a socket, which that of
// t.TempDir may not be.
func dataFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pm") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func writeCA(t *testing.T) string {
	t.Helper()
	certificate, _, err := certutil.GenerateSelfSignedCertKey("clients", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(path, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
