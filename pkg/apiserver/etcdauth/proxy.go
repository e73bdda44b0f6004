// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package etcdauth

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/test/bufconn"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apiserver/pkg/server/egressselector"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/util/filesystem"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

const (
	// endpoint stands for the proxy where storage wants an address. Nobody resolves
	// it.
	endpoint = "http://etcd.in-process"
	// buffer is how much is under way between storage and the proxy, in bytes.
	buffer = 1 << 20
	// dialTimeout is how long etcd may take to accept the user.
	dialTimeout = 20 * time.Second
	// The same times by which storage notices that etcd is gone.
	keepaliveTime, keepaliveTimeout = 30 * time.Second, 10 * time.Second
	// pollInterval is how often the files are looked at where the system does not
	// tell of changes.
	pollInterval = time.Minute
	// retireAfter is how long calls that began as the former user may take.
	retireAfter = 30 * time.Second
)

// Proxy passes storage's calls on to etcd as a user of etcd.
type Proxy struct {
	options   *Options
	transport storagebackend.TransportConfig
	listener  *bufconn.Listener
	server    *grpc.Server
	clock     clock.WithDelayedExecution
	stop      context.CancelFunc
	running   sync.WaitGroup

	client atomic.Pointer[clientv3.Client]
	// changing is held by who reads the files.
	changing       sync.Mutex
	name, password string
}

// Start runs a proxy to the etcd of the given transport until it is closed. etcd
// must answer and know the user.
func Start(ctx context.Context, options *Options, to storagebackend.TransportConfig) (*Proxy, error) {
	return start(ctx, options, to, clock.RealClock{})
}

func start(ctx context.Context, options *Options, to storagebackend.TransportConfig, clock clock.WithDelayedExecution) (*Proxy, error) {
	name, password, err := options.Read()
	if err != nil {
		return nil, err
	}
	// Storage is used until after the context's end, when requests are drained.
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &Proxy{
		options: options, transport: to, listener: bufconn.Listen(buffer), clock: clock,
		stop: stop, name: name, password: password,
	}
	client, err := p.connect(ctx, name, password)
	if err != nil {
		stop()
		return nil, err
	}
	p.client.Store(client)
	p.server = grpc.NewServer(
		grpc.ForceServerCodecV2(codec{}), grpc.UnknownServiceHandler(p.forward),
		// What is too large, etcd says.
		grpc.MaxRecvMsgSize(math.MaxInt32), grpc.MaxSendMsgSize(math.MaxInt32),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveTime / 2}),
	)
	p.running.Go(func() {
		if err := p.server.Serve(p.listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			klog.FromContext(ctx).Error(err, "The proxy to etcd failed")
		}
	})
	for _, path := range []string{options.UsernameFile, options.PasswordFile} {
		p.running.Go(func() {
			filesystem.WatchUntil(ctx, pollInterval, path, func() { p.reload(ctx) }, nil)
		})
	}
	return p, nil
}

// Transport is how storage reaches etcd through the proxy.
func (p *Proxy) Transport() storagebackend.TransportConfig {
	to := p.transport
	to.ServerList = []string{endpoint}
	to.CertFile, to.KeyFile, to.TrustedCAFile = "", "", ""
	to.EgressLookup = func(egressselector.NetworkContext) (utilnet.DialFunc, error) {
		return func(ctx context.Context, _, _ string) (net.Conn, error) { return p.listener.DialContext(ctx) }, nil
	}
	return to
}

// Close ends all calls and the connection.
func (p *Proxy) Close() {
	p.stop()
	p.server.Stop()
	p.running.Wait()
	_ = p.client.Load().Close()
}

// connect returns a connection on which etcd knows the user, until the context
// ends.
func (p *Proxy) connect(ctx context.Context, name, password string) (*clientv3.Client, error) {
	config, err := ClientConfig(p.transport, name, password)
	if err != nil {
		return nil, err
	}
	config.Context = ctx
	client, err := clientv3.New(config)
	if err != nil {
		return nil, fmt.Errorf("connect to etcd as the user %q of --etcd-username-file: %w", name, err)
	}
	return client, nil
}

// reload connects anew when the user or its password is another one. A user that
// etcd does not know changes nothing: perhaps the other file comes in a moment.
func (p *Proxy) reload(ctx context.Context) {
	p.changing.Lock()
	defer p.changing.Unlock()
	log := klog.FromContext(ctx)
	name, password, err := p.options.Read()
	if err != nil {
		log.Error(err, "The connection to etcd stays as it is")
		return
	}
	if name == p.name && password == p.password {
		return
	}
	client, err := p.connect(ctx, name, password)
	if err != nil {
		log.Error(err, "The connection to etcd stays as it is")
		return
	}
	p.name, p.password = name, password
	former := p.client.Swap(client)
	p.clock.AfterFunc(retireAfter, func() { _ = former.Close() })
	log.Info("Connected to etcd as another user or with another password", "user", name)
}

// ClientConfig is the configuration of a client that reaches etcd as a user, as
// nobody in particular without a name.
func ClientConfig(to storagebackend.TransportConfig, name, password string) (clientv3.Config, error) {
	config := clientv3.Config{
		Endpoints: to.ServerList, Username: name, Password: password, Logger: zap.NewNop(),
		DialTimeout: dialTimeout, DialKeepAliveTime: keepaliveTime, DialKeepAliveTimeout: keepaliveTimeout,
		MaxCallSendMsgSize: math.MaxInt32, MaxCallRecvMsgSize: math.MaxInt32,
	}
	if to.CertFile == "" && to.KeyFile == "" && to.TrustedCAFile == "" {
		return config, nil
	}
	var err error
	files := transport.TLSInfo{CertFile: to.CertFile, KeyFile: to.KeyFile, TrustedCAFile: to.TrustedCAFile}
	if config.TLS, err = files.ClientConfig(); err != nil {
		return clientv3.Config{}, fmt.Errorf("read --etcd-cafile, --etcd-certfile and --etcd-keyfile: %w", err)
	}
	return config, nil
}
