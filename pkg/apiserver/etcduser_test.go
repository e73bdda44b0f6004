// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestServerIsAnEtcdUser holds that the rights which the documentation tells to
// give to the user are enough.
func TestServerIsAnEtcdUser(t *testing.T) {
	start, endpoint := externalEtcd(t)
	start()
	root := must(clientv3.New(clientv3.Config{Endpoints: []string{endpoint}}))(t)
	defer func() { _ = root.Close() }()
	const prefix = "/registry/pm.oaas.io"
	write := clientv3.PermissionType(clientv3.PermReadWrite)
	for _, do := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := root.UserAdd(ctx, "root", "root"); return err },
		func(ctx context.Context) error { _, err := root.UserGrantRole(ctx, "root", "root"); return err },
		func(ctx context.Context) error { _, err := root.UserAdd(ctx, "oaas", "secret"); return err },
		func(ctx context.Context) error { _, err := root.RoleAdd(ctx, "oaas"); return err },
		func(ctx context.Context) error { _, err := root.UserGrantRole(ctx, "oaas", "oaas"); return err },
		func(ctx context.Context) error {
			_, err := root.RoleGrantPermission(ctx, "oaas", prefix+"/", clientv3.GetPrefixRangeEnd(prefix+"/"), write)
			return err
		},
		func(ctx context.Context) error {
			_, err := root.RoleGrantPermission(ctx, "oaas", "compact_rev_key", "", write)
			return err
		},
		func(ctx context.Context) error { _, err := root.AuthEnable(ctx); return err },
	} {
		if err := do(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "username"), "oaas\n")
	writeFile(t, filepath.Join(dir, "password"), "secret\n")
	s := runServer(t, "", storedIn(endpoint), func(o *Options) {
		o.EtcdAuth.UsernameFile, o.EtcdAuth.PasswordFile = filepath.Join(dir, "username"), filepath.Join(dir, "password")
		o.Etcd.StorageConfig.CompactionInterval = time.Second
	})
	packages := s.client.PmV1alpha1().Packages(namespace)
	watched := must(packages.Watch(t.Context(), metav1.ListOptions{}))(t)
	defer watched.Stop()
	first := must(packages.Create(t.Context(), echoPackage("first"), metav1.CreateOptions{}))(t)
	select {
	case event := <-watched.ResultChan():
		if event.Type != "ADDED" {
			t.Errorf("got %s, want the new package", event.Type)
		}
	case <-time.After(readyWithin):
		t.Fatal("a watch hears nothing")
	}
	// Compaction is what needs the second right.
	rootUser := must(clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Username: "root", Password: "root"}))(t)
	defer func() { _ = rootUser.Close() }()
	waitFor(t, "old revisions are compacted", func() bool {
		response := must(rootUser.Get(t.Context(), "compact_rev_key"))(t)
		return len(response.Kvs) == 1 && response.Kvs[0].Version > 1
	})
	must(packages.Get(t.Context(), first.Name, metav1.GetOptions{}))(t)

	// Writes of packages that depend on each other tell each other through etcd, too.
	must(packages.Create(t.Context(), dependent("second", first.Name), metav1.CreateOptions{}))(t)
	if err := packages.Delete(t.Context(), first.Name, metav1.DeleteOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("got %v, want the refusal to delete what another package needs", err)
	}
	for _, name := range []string{"second", first.Name} {
		if err := packages.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("delete %s: %v", name, err)
		}
	}
}
