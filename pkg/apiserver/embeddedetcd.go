// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/embed"
)

const (
	// embeddedMember names the only member of an embedded etcd.
	embeddedMember = "oaas"
	// maxSocketPath is the longest path of a Unix socket that all systems accept.
	maxSocketPath = 100
	// embeddedQuota is the most that an embedded etcd stores, in bytes.
	embeddedQuota = 8 << 30
)

// EmbeddedEtcdOptions run an etcd within the server, for a single replica on a
// laptop or at the edge. Only this server reaches it: it listens on a socket in
// its data folder, which nobody but the server's user may enter.
type EmbeddedEtcdOptions struct {
	// Enabled runs it.
	Enabled bool
	// DataDir is the folder that it stores everything in.
	DataDir string
}

// AddFlags adds the flags to a flag set.
func (o *EmbeddedEtcdOptions) AddFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.Enabled, "etcd-embedded", o.Enabled,
		"Run an etcd within the server instead of connecting to --etcd-servers. For a single replica.")
	fs.StringVar(&o.DataDir, "data-dir", o.DataDir,
		"Folder in which the embedded etcd stores everything; created if absent.")
}

// Validate returns everything that is wrong with the options, given the servers
// that objects are stored on.
func (o *EmbeddedEtcdOptions) Validate(servers []string) []error {
	if !o.Enabled {
		if o.DataDir != "" {
			return []error{errors.New("--data-dir is of no use without --etcd-embedded")}
		}
		return nil
	}
	var errs []error
	if len(servers) != 1 || servers[0] != o.endpoint() {
		errs = append(errs, errors.New("--etcd-embedded and --etcd-servers exclude each other: remove one"))
	}
	if o.DataDir == "" {
		errs = append(errs, errors.New("--etcd-embedded needs --data-dir, such as /var/lib/oaas"))
	}
	if path := o.socket(); len(path) > maxSocketPath {
		errs = append(errs, fmt.Errorf("--data-dir %q is too long for the socket %q in it, which may have %d characters: use a shorter path",
			o.DataDir, path, maxSocketPath))
	}
	return errs
}

// socket is the absolute path of etcd's socket.
func (o *EmbeddedEtcdOptions) socket() string {
	path := filepath.Join(o.DataDir, "etcd.sock")
	if absolute, err := filepath.Abs(path); err == nil {
		return absolute
	}
	return path
}

// endpoint is where clients reach the embedded etcd.
func (o *EmbeddedEtcdOptions) endpoint() string {
	return "unix://" + o.socket()
}

// embeddedEtcd is an etcd that runs within the server.
type embeddedEtcd struct {
	*embed.Etcd
	lock *os.File
}

// Close stops it and lets go of its folder.
func (e *embeddedEtcd) Close() {
	e.Etcd.Close()
	_ = e.lock.Close()
}

// start runs the embedded etcd until it is stopped, and returns when it serves.
func (o *EmbeddedEtcdOptions) start(ctx context.Context) (_ *embeddedEtcd, err error) {
	if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("create the folder of the embedded etcd: %w", err)
	}
	lock, err := o.lock()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = lock.Close()
		}
	}()
	config := embed.NewConfig()
	config.Name = embeddedMember
	config.Dir = filepath.Join(o.DataDir, "etcd")
	config.QuotaBackendBytes = embeddedQuota
	config.LogLevel = "error"
	clients := unixURL(o.socket())
	config.ListenClientUrls, config.AdvertiseClientUrls = clients, clients
	// The only member has no peers to listen to. It must have an address all the
	// same, which must not change with the data folder, or the stored membership
	// would not be recognised after a move.
	config.ListenPeerUrls, config.AdvertisePeerUrls = nil, unixURL("/peer.sock")
	// Without the gateway to JSON, which would be one more way in.
	config.EnableGRPCGateway = false
	config.InitialCluster = config.InitialClusterFromName(embeddedMember)

	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, fmt.Errorf("start the embedded etcd in %s: %w", o.DataDir, err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return &embeddedEtcd{Etcd: etcd, lock: lock}, nil
	case err := <-etcd.Err():
		etcd.Close()
		return nil, fmt.Errorf("the embedded etcd in %s failed: %w", o.DataDir, err)
	case <-ctx.Done():
		etcd.Close()
		return nil, fmt.Errorf("wait for the embedded etcd in %s: %w", o.DataDir, ctx.Err())
	}
}

// lock makes the folder this process' own; the operating system gives it back
// when the process ends in whatever way. etcd itself would wait for the other
// process without a word, after it has taken its socket away.
func (o *EmbeddedEtcdOptions) lock() (*os.File, error) {
	path := filepath.Join(o.DataDir, "lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the embedded etcd: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("--data-dir %q is in use by another process: stop it or choose another folder", o.DataDir)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return file, nil
}

func unixURL(path string) []url.URL {
	return []url.URL{{Scheme: "unix", Path: path}}
}
