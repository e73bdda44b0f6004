// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// httpClient speaks HTTP/1.1, in which the end of an answer tells whether it was
// a clean one, and waits for the server to want the body of a request.
func httpClient(t *testing.T, s *server) *http.Client {
	t.Helper()
	config := rest.CopyConfig(s.config)
	config.NextProtos = []string{"http/1.1"}
	tlsConfig := must(rest.TLSConfigFor(config))(t)
	transport := must(rest.HTTPWrappersForConfig(config, &http.Transport{TLSClientConfig: tlsConfig, ExpectContinueTimeout: readyWithin}))(t)
	return &http.Client{Transport: transport}
}

func (s *server) path(suffix string) string {
	return s.config.Host + "/apis/pm.oaas.io/v1alpha1/namespaces/" + namespace + "/packages" + suffix
}

func TestShutdownEndsWatchesCleanly(t *testing.T) {
	s := runServer(t, dataFolder(t))
	request := must(http.NewRequestWithContext(t.Context(), http.MethodGet, s.path("?watch=true"), nil))(t)
	response, err := httpClient(t, s).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	must(s.client.PmV1alpha1().Packages(namespace).Create(t.Context(), echoPackage("watched"), metav1.CreateOptions{}))(t)
	lines := bufio.NewReader(response.Body)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatalf("the watch hears nothing: %v", err)
	}

	begun := time.Now()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.stop()
	}()
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the watch is cut off instead of ended: %v", err)
		}
		var event metav1.WatchEvent
		if err := json.Unmarshal([]byte(line), &event); err != nil || event.Type == "ERROR" {
			t.Errorf("the watch gets %s, %v before it ends", line, err)
		}
	}
	if took := time.Since(begun); took > watchGrace {
		t.Errorf("the watch was ended after %s, want less than %s", took, watchGrace)
	}
	<-stopped
}

func TestShutdownLetsRequestsFinish(t *testing.T) {
	dir := dataFolder(t)
	s := runServer(t, dir)
	client := httpClient(t, s)
	body, rest := io.Pipe()
	request := must(http.NewRequestWithContext(t.Context(), http.MethodPost, s.path(""), body))(t)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Expect", "100-continue")
	type result struct {
		code int
		body []byte
		err  error
	}
	answered := make(chan result, 1)
	go func() {
		response, err := client.Do(request)
		if err != nil {
			answered <- result{err: err}
			return
		}
		content, err := io.ReadAll(response.Body)
		answered <- result{response.StatusCode, content, errors.Join(err, response.Body.Close())}
	}()
	p := echoPackage("late")
	p.APIVersion, p.Kind = "pm.oaas.io/v1alpha1", "Package"
	content := must(json.Marshal(p))(t)
	// The write returns when the server reads, which it does while it handles.
	must(rest.Write(content[:len(content)/2]))(t)

	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.stop()
	}()
	<-s.ending
	waitFor(t, "the server is no longer ready", func() bool {
		_, err := s.raw(t).Get().AbsPath("/readyz").DoRaw(t.Context())
		return err != nil
	})
	must(rest.Write(content[len(content)/2:]))(t)
	if err := rest.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-answered; got.err != nil || got.code != http.StatusCreated {
		t.Errorf("a request that was under way got %d, %v, want 201\n%s", got.code, got.err, got.body)
	}
	<-stopped

	again := runServer(t, dir)
	if _, err := again.client.PmV1alpha1().Packages(namespace).Get(t.Context(), "late", metav1.GetOptions{}); apierrors.IsNotFound(err) {
		t.Error("what was answered with 201 is not stored")
	} else if err != nil {
		t.Error(err)
	}
}
