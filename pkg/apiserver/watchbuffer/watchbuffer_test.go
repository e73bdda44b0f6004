// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package watchbuffer

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiserver/pkg/endpoints/request"
)

// connection writes down what reaches it.
type connection struct {
	header http.Header
	got    []string
	broken bool
}

func (c *connection) Header() http.Header { return c.header }
func (c *connection) WriteHeader(int)     { c.got = append(c.got, "header") }
func (c *connection) Flush()              { c.got = append(c.got, "flush") }
func (c *connection) Write(p []byte) (int, error) {
	if c.broken {
		return 0, errors.New("broken pipe")
	}
	c.got = append(c.got, string(p))
	return len(p), nil
}

func send(t *testing.T, w http.ResponseWriter, text string) {
	t.Helper()
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestWithBuffer(t *testing.T) {
	large := strings.Repeat("x", Size-1)
	tests := map[string]struct {
		verb    string
		upgrade bool
		answer  func(*testing.T, http.ResponseWriter)
		want    []string
	}{
		"events that come together are sent together": {
			verb: "watch", want: []string{"header", "flush", "onetwo", "flush"},
			answer: func(t *testing.T, w http.ResponseWriter) {
				t.Helper()
				w.WriteHeader(http.StatusOK)
				w.(http.Flusher).Flush()
				send(t, w, "one")
				send(t, w, "two")
				w.(http.Flusher).Flush()
			},
		},
		"an event that comes alone is sent at once": {
			verb: "watch", want: []string{"one", "flush", "two", "flush"},
			answer: func(t *testing.T, w http.ResponseWriter) {
				t.Helper()
				for _, event := range []string{"one", "two"} {
					send(t, w, event)
					w.(http.Flusher).Flush()
				}
			},
		},
		"a full buffer is sent without a flush": {
			verb: "watch", want: []string{large + "o", "ne"},
			answer: func(t *testing.T, w http.ResponseWriter) {
				t.Helper()
				send(t, w, large)
				send(t, w, "one")
			},
		},
		"an error that nobody flushes is sent when the request ends": {
			verb: "watch", want: []string{"header", "gone"},
			answer: func(t *testing.T, w http.ResponseWriter) {
				t.Helper()
				w.WriteHeader(http.StatusGone)
				send(t, w, "gone")
			},
		},
		"a list is not buffered": {
			verb: "list", want: []string{"one", "two"},
			answer: func(t *testing.T, w http.ResponseWriter) {
				t.Helper()
				send(t, w, "one")
				send(t, w, "two")
			},
		},
		"a web socket is not buffered": {
			verb: "watch", upgrade: true, want: []string{"one", "two"},
			answer: func(t *testing.T, w http.ResponseWriter) {
				t.Helper()
				send(t, w, "one")
				send(t, w, "two")
			},
		},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
			if test.upgrade {
				r.Header.Set("Upgrade", "websocket")
			}
			r = r.WithContext(request.WithRequestInfo(r.Context(), &request.RequestInfo{Verb: test.verb}))
			c := &connection{header: http.Header{}}
			WithBuffer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { test.answer(t, w) })).ServeHTTP(c, r)
			if diff := cmp.Diff(test.want, c.got); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
}

func TestABrokenConnectionIsToldToTheNextWrite(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	r = r.WithContext(request.WithRequestInfo(r.Context(), &request.RequestInfo{Verb: "watch"}))
	WithBuffer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		send(t, w, "one")
		w.(http.Flusher).Flush()
		if _, err := w.Write([]byte("two")); err == nil {
			t.Error("the write after a failed one succeeds")
		}
	})).ServeHTTP(&connection{header: http.Header{}, broken: true}, r)
}
