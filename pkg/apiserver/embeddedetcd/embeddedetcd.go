// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package embeddedetcd runs an etcd within the server, and saves and restores what
// it stores.
package embeddedetcd

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/client/pkg/v3/logutil"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

const (
	// memberName names the only member.
	memberName = "oaas"
	// maxSocketPath is the longest path of a Unix socket that all systems accept.
	maxSocketPath = 100
	// quota is the most that is stored, in bytes.
	quota = 8 << 30
	// folderName is the folder within the data folder that etcd stores in.
	folderName = "etcd"
)

// ErrInUse is why a data folder cannot be used: another process does.
var ErrInUse = errors.New("in use by another process")

// Options run an etcd within the server, for a single replica on a
// laptop or at the edge. Only this server reaches it: it listens on a socket in
// its data folder, which nobody but the server's user may enter.
type Options struct {
	// Enabled runs it.
	Enabled bool
	// DataDir is the folder that it stores everything in.
	DataDir string
}

// AddFlags adds the flags to a flag set.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.Enabled, "etcd-embedded", o.Enabled,
		"Run an etcd within the server instead of connecting to --etcd-servers. For a single replica.")
	fs.StringVar(&o.DataDir, "data-dir", o.DataDir,
		"Folder in which the embedded etcd stores everything; created if absent.")
}

// Validate returns everything that is wrong with the options, given the servers
// that objects are stored on.
func (o *Options) Validate(servers []string) []error {
	if !o.Enabled {
		if o.DataDir != "" {
			return []error{errors.New("--data-dir is of no use without --etcd-embedded")}
		}
		return nil
	}
	var errs []error
	if len(servers) != 1 || servers[0] != o.Endpoint() {
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
func (o *Options) socket() string {
	path := filepath.Join(o.DataDir, "etcd.sock")
	if absolute, err := filepath.Abs(path); err == nil {
		return absolute
	}
	return path
}

// Endpoint is where clients reach the embedded etcd.
func (o *Options) Endpoint() string {
	return "unix://" + o.socket()
}

// Etcd is an etcd that runs within this process.
type Etcd struct {
	etcd  *embed.Etcd
	lock  *os.File
	level zap.AtomicLevel
}

// Failed returns why it no longer serves, once it does not although nobody closed
// it; nil when the context ends before.
func (e *Etcd) Failed(ctx context.Context) error {
	select {
	case err := <-e.etcd.Err():
		return fmt.Errorf("the embedded etcd failed: %w", err)
	case <-e.etcd.Server.StopNotify():
		return errors.New("the embedded etcd stopped by itself")
	case <-ctx.Done():
		return nil
	}
}

// Close stops it and lets go of its folder.
func (e *Etcd) Close() {
	// That it stops serving is no error now, as which etcd logs it.
	e.level.SetLevel(zap.PanicLevel)
	e.etcd.Close()
	_ = e.lock.Close()
}

// Start runs the embedded etcd until it is closed, and returns when it serves. The
// error is ErrInUse while another process has the folder.
func (o *Options) Start(ctx context.Context) (_ *Etcd, err error) {
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
	config.Name = memberName
	config.Dir = o.folder()
	config.QuotaBackendBytes = quota
	log, level, err := newLogger()
	if err != nil {
		return nil, err
	}
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(log)
	clients := unixURL(o.socket())
	config.ListenClientUrls, config.AdvertiseClientUrls = clients, clients
	// The only member has no peers to listen to. It must have an address all the
	// same, which must not change with the data folder, or the stored membership
	// would not be recognised after a move.
	config.ListenPeerUrls, config.AdvertisePeerUrls = nil, peerURLs()
	// Without the gateway to JSON, which would be one more way in.
	config.EnableGRPCGateway = false
	config.InitialCluster = config.InitialClusterFromName(memberName)

	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, fmt.Errorf("start the embedded etcd in %s: %w", o.DataDir, err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return &Etcd{etcd: etcd, lock: lock, level: level}, nil
	case err := <-etcd.Err():
		etcd.Close()
		return nil, fmt.Errorf("the embedded etcd in %s failed: %w", o.DataDir, err)
	case <-ctx.Done():
		etcd.Close()
		return nil, fmt.Errorf("wait for the embedded etcd in %s: %w", o.DataDir, ctx.Err())
	}
}

// newLogger returns a logger of errors, and how to change what it logs.
func newLogger() (*zap.Logger, zap.AtomicLevel, error) {
	config := logutil.DefaultZapLoggerConfig
	config.Level = zap.NewAtomicLevelAt(zap.ErrorLevel)
	log, err := config.Build()
	if err != nil {
		return nil, zap.AtomicLevel{}, fmt.Errorf("make a log for the embedded etcd: %w", err)
	}
	return log, config.Level, nil
}

// folder is where etcd stores.
func (o *Options) folder() string {
	return filepath.Join(o.DataDir, folderName)
}

// peerURLs is the member's address.
func peerURLs() []url.URL {
	return unixURL("/peer.sock")
}

// lock makes the folder this process' own, after it has created it if absent; the operating system gives it back
// when the process ends in whatever way. etcd itself would wait for the other
// process without a word, after it has taken its socket away.
func (o *Options) lock() (*os.File, error) {
	if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("create the folder of the embedded etcd: %w", err)
	}
	path := filepath.Join(o.DataDir, "lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the embedded etcd: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("--data-dir %q is %w: stop it or choose another folder", o.DataDir, ErrInUse)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return file, nil
}

func unixURL(path string) []url.URL {
	return []url.URL{{Scheme: "unix", Path: path}}
}
