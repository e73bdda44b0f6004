// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"

	"oaas.io/oaas/pkg/apiserver/etcdauth"
)

// openStorage runs what storage needs within this process: an etcd, or a proxy
// that is a user of another one. The options that it returns lead there. What it
// runs is to be closed after the server.
func (o CompletedOptions) openStorage(ctx context.Context) (CompletedOptions, func(), error) {
	if o.EmbeddedEtcd.Enabled {
		etcd, err := o.EmbeddedEtcd.Start(ctx)
		if err != nil {
			return CompletedOptions{}, nil, err
		}
		return o, etcd.Close, nil
	}
	if !o.EtcdAuth.Enabled() {
		return o, func() {}, nil
	}
	proxy, err := etcdauth.Start(ctx, o.EtcdAuth, o.Etcd.StorageConfig.Transport)
	if err != nil {
		return CompletedOptions{}, nil, err
	}
	opened, etcd := *o.completedOptions, *o.Etcd
	etcd.StorageConfig.Transport = proxy.Transport()
	opened.Etcd = &etcd
	return CompletedOptions{&opened}, proxy.Close, nil
}
