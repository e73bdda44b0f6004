// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"slices"
	"strings"

	"k8s.io/apiserver/pkg/server/healthz"

	"oaas.io/oaas/pkg/apiserver/etcdauth"
)

// storage is what storage needs within this process: an etcd, or a proxy that is
// a user of another one, or nothing.
type storage struct {
	// close ends it; to be called after the server ended, which stores the end of
	// running requests.
	close func()
	// failed returns why it stopped by itself, or nil when the context ends.
	failed func(context.Context) error
}

// openStorage runs what storage needs. The options that it returns lead there.
func (o CompletedOptions) openStorage(ctx context.Context) (CompletedOptions, storage, error) {
	if o.EmbeddedEtcd.Enabled {
		etcd, err := o.EmbeddedEtcd.Start(ctx)
		if err != nil {
			return CompletedOptions{}, storage{}, err
		}
		return o, storage{close: etcd.Close, failed: etcd.Failed}, nil
	}
	elsewhere := storage{close: func() {}, failed: func(context.Context) error { return nil }}
	if !o.EtcdAuth.Enabled() {
		return o, elsewhere, nil
	}
	proxy, err := etcdauth.Start(ctx, o.EtcdAuth, o.Etcd.StorageConfig.Transport)
	if err != nil {
		return CompletedOptions{}, storage{}, err
	}
	opened, etcd := *o.completedOptions, *o.Etcd
	etcd.StorageConfig.Transport = proxy.Transport()
	opened.Etcd = &etcd
	elsewhere.close = proxy.Close
	return CompletedOptions{&opened}, elsewhere, nil
}

// withoutEtcd leaves out the checks that fail while etcd is away. A server that is
// not alive is killed, which brings no etcd back; readiness tells of it.
func withoutEtcd(checks []healthz.HealthChecker) []healthz.HealthChecker {
	return slices.DeleteFunc(slices.Clone(checks), func(check healthz.HealthChecker) bool {
		return check.Name() == "etcd" || strings.HasPrefix(check.Name(), "etcd-override-")
	})
}
