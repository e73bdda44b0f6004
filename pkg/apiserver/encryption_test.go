// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	encryptionconfigcontroller "k8s.io/apiserver/pkg/server/options/encryptionconfig/controller"
)

// encryption is a configuration that writes with the first of the keys.
func encryption(keys ...string) string {
	var b strings.Builder
	b.WriteString("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n" +
		"- resources: ['*.pm.oaas.io']\n  providers:\n  - secretbox:\n      keys:\n")
	for _, key := range keys {
		fmt.Fprintf(&b, "      - {name: %s, secret: %s}\n", key, strings.Repeat("QUFB", 10)+"QUE=")
	}
	b.WriteString("  - identity: {}\n")
	return b.String()
}

// inEtcd is what etcd holds of a package of the test's namespace.
func inEtcd(t *testing.T, s *server, name string) []byte {
	t.Helper()
	client := must(clientv3.New(clientv3.Config{Endpoints: []string{s.etcd}}))(t)
	defer func() { _ = client.Close() }()
	response := must(client.Get(t.Context(), "/registry/pm.oaas.io/packages/"+namespace+"/"+name))(t)
	if len(response.Kvs) != 1 {
		t.Fatalf("found %d keys of %s, want 1", len(response.Kvs), name)
	}
	return response.Kvs[0].Value
}

func TestPackagesAreEncryptedAtRest(t *testing.T) {
	const secret = "a-description-that-nobody-may-read"
	// Once a minute would be too long for a test.
	every := encryptionconfigcontroller.EncryptionConfigFileChangePollDuration
	encryptionconfigcontroller.EncryptionConfigFileChangePollDuration = 100 * time.Millisecond
	t.Cleanup(func() { encryptionconfigcontroller.EncryptionConfigFileChangePollDuration = every })
	dir, file := dataFolder(t), filepath.Join(t.TempDir(), "encryption.yaml")
	create := func(s *server, name string) {
		p := echoPackage(name)
		p.Spec.Description = secret
		must(s.client.PmV1alpha1().Packages(namespace).Create(t.Context(), p, metav1.CreateOptions{}))(t)
	}
	plain := runServer(t, dir)
	create(plain, "plain")
	if !bytes.Contains(inEtcd(t, plain, "plain"), []byte(secret)) {
		t.Fatal("without encryption the description is not found, so this test proves nothing")
	}
	plain.stop()

	writeFile(t, file, encryption("first"))
	s := runServer(t, dir, func(o *Options) {
		o.Etcd.EncryptionProviderConfigFilepath = file
		o.Etcd.EncryptionProviderConfigAutomaticReload = true
	})
	create(s, "secret")
	stored := inEtcd(t, s, "secret")
	if !bytes.HasPrefix(stored, []byte("k8s:enc:secretbox:v1:first:")) || bytes.Contains(stored, []byte(secret)) {
		t.Errorf("stored as %.60q, want it encrypted with the first key", stored)
	}
	packages := s.client.PmV1alpha1().Packages(namespace)
	for _, name := range []string{"plain", "secret"} {
		if p := must(packages.Get(t.Context(), name, metav1.GetOptions{}))(t); p.Spec.Description != secret {
			t.Errorf("%s is read as %q", name, p.Spec.Description)
		}
	}
	// What was there before is encrypted when it is written again.
	rewrite := func(name string) {
		p := must(packages.Get(t.Context(), name, metav1.GetOptions{}))(t)
		must(packages.Update(t.Context(), p, metav1.UpdateOptions{}))(t)
	}
	rewrite("plain")
	if stored := inEtcd(t, s, "plain"); !bytes.HasPrefix(stored, []byte("k8s:enc:")) {
		t.Errorf("after an update it is stored as %.60q, want it encrypted", stored)
	}

	writeFile(t, file, encryption("second", "first"))
	waitFor(t, "the second key is in use", func() bool {
		rewrite("secret")
		return bytes.HasPrefix(inEtcd(t, s, "secret"), []byte("k8s:enc:secretbox:v1:second:"))
	})
}
