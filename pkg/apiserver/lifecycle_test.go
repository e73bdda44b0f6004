// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiversion "k8s.io/apimachinery/pkg/version"

	"oaas.io/oaas/pkg/apiserver/embeddedetcd"
	"oaas.io/oaas/pkg/version"
)

func TestOpenWatchesDoNotHoldUpTheEnd(t *testing.T) {
	s := runServer(t, dataFolder(t))
	watched := must(s.client.PmV1alpha1().Packages("").Watch(t.Context(), metav1.ListOptions{}))(t)
	defer watched.Stop()

	begun := time.Now()
	s.stop()
	if took := time.Since(begun); took > 2*watchGrace {
		t.Errorf("the server took %s to end with a watch open: Kubernetes kills a pod after 30s", took)
	}
}

func TestTwoServersDoNotShareAFolder(t *testing.T) {
	s := runServer(t, dataFolder(t))
	second := &embeddedetcd.Options{Enabled: true, DataDir: s.dataDir}
	etcd, err := second.Start(t.Context())
	if err == nil {
		etcd.Close()
		t.Fatal("a second etcd runs on the folder of the first")
	}
	if !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("got %v, want an error that says who has the folder", err)
	}
	// The first must not have lost its socket to the second.
	must(s.client.PmV1alpha1().Packages(namespace).Create(t.Context(), echoPackage("first"), metav1.CreateOptions{}))(t)
}

func TestVersionIsThatOfTheProduct(t *testing.T) {
	s := runServer(t, dataFolder(t))
	body := must(s.raw(t).Get().AbsPath("/version").DoRaw(t.Context()))(t)
	var info apiversion.Info
	if err := json.Unmarshal(body, &info); err != nil {
		t.Fatal(err)
	}
	if info.GitVersion != version.Get().Version || info.Major == "" || info.Minor == "" {
		t.Errorf("got %+v, want the version %s and the Kubernetes API's major and minor", info, version.Get().Version)
	}
}
