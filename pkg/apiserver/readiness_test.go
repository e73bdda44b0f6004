// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/pkg/apiserver/embeddedetcd"
)

// externalEtcd is an etcd that the server is only a client of.
func externalEtcd(t *testing.T) (start func() (stop func()), endpoint string) {
	t.Helper()
	options := &embeddedetcd.Options{Enabled: true, DataDir: dataFolder(t)}
	start = func() func() {
		t.Helper()
		etcd := must(options.Start(t.Context()))(t)
		stopped := false
		stop := func() {
			if !stopped {
				stopped = true
				etcd.Close()
			}
		}
		t.Cleanup(stop)
		return stop
	}
	return start, options.Endpoint()
}

// storedIn makes a server a client of an etcd.
func storedIn(endpoint string) func(*Options) {
	return func(o *Options) {
		o.EmbeddedEtcd = &embeddedetcd.Options{}
		o.Etcd.StorageConfig.Transport.ServerList = []string{endpoint}
	}
}

func TestReadinessFollowsEtcd(t *testing.T) {
	start, endpoint := externalEtcd(t)
	stop := start()
	s := runServer(t, "", storedIn(endpoint))
	health := func(kind string) (string, error) {
		body, err := s.raw(t).Get().AbsPath("/"+kind).Param("verbose", "").DoRaw(t.Context())
		return string(body), err
	}
	if body, err := health("livez"); err != nil || strings.Contains(body, "etcd") {
		t.Fatalf("liveness is %v and depends on etcd:\n%s", err, body)
	}
	if body, err := health("readyz"); err != nil || !strings.Contains(body, "[+]etcd-readiness ok") {
		t.Fatalf("readiness is %v and does not depend on etcd:\n%s", err, body)
	}

	stop()
	waitFor(t, "the server is not ready", func() bool {
		if _, err := health("livez"); err != nil {
			t.Fatalf("the server is not alive while etcd is away: %v", err)
		}
		body, err := health("readyz")
		return err != nil && strings.Contains(body, "[-]etcd-readiness failed")
	})
	for begun := time.Now(); time.Since(begun) < 3*time.Second; time.Sleep(100 * time.Millisecond) {
		if _, err := health("livez"); err != nil {
			t.Fatalf("the server is not alive while etcd is away: %v", err)
		}
		if _, err := health("readyz"); err == nil {
			t.Fatal("the server is ready while etcd is away")
		}
	}

	start()
	s.waitUntilReady(t)
	waitFor(t, "the server stores again", func() bool {
		_, err := s.client.PmV1alpha1().Packages(namespace).Create(t.Context(), echoPackage("after"), metav1.CreateOptions{})
		return err == nil
	})
}
