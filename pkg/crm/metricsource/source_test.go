// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package metricsource

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	clocktesting "k8s.io/utils/clock/testing"

	"oaas.io/oaas/pkg/internal/porttest"
)

// patience bounds every wait.
const patience = 30 * time.Second

// The servers here are no Prometheus: they give the answers that its HTTP API
// documents for a query of the number 1, and those of servers that are in trouble or
// are something else. The tests of the program itself run a real one.
const (
	good     = `{"status":"success","data":{"resultType":"scalar","result":[1763811000.123,"1"]}}`
	overload = `{"status":"error","errorType":"unavailable","error":"too many queries"}`
)

func answering(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}

func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func newSource(t *testing.T, options Options) *Source {
	t.Helper()
	if options.Clock == nil {
		options.Clock = clocktesting.NewFakeClock(time.Unix(0, 0))
	}
	if options.Metrics == nil {
		options.Metrics = prometheus.NewPedanticRegistry()
	}
	if options.Log.GetSink() == nil {
		options.Log = logr.Discard()
	}
	s, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start runs a source until the test, or the function that is returned, ends it.
func start(t *testing.T, s *Source) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("it ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("it does not end")
		}
	})
	t.Cleanup(stop)
	return stop
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func TestAsk(t *testing.T) {
	untrusted := httptest.NewUnstartedServer(answering(http.StatusOK, good))
	untrusted.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	elsewhere := serve(t, answering(http.StatusOK, good))
	cases := map[string]struct {
		url     string
		handler http.HandlerFunc
		timeout time.Duration
		// want is what the error says; empty for none.
		want string
	}{
		"it answers":                         {handler: answering(http.StatusOK, good)},
		"nobody listens":                     {url: "http://" + porttest.Refusing(t), want: "connection refused"},
		"nobody vouches for its certificate": {url: untrusted.URL, want: "x509: certificate signed by unknown authority"},
		"it has too much to do":              {handler: answering(http.StatusServiceUnavailable, overload), want: "server error: 503"},
		"it fails":                           {handler: answering(http.StatusInternalServerError, "oops"), want: "server error: 500"},
		"it wants credentials":               {handler: answering(http.StatusUnauthorized, "no"), want: "client error: 401"},
		"it has no such path":                {handler: http.NotFound, want: "client error: 404"},
		"something else answers":             {handler: answering(http.StatusOK, "<html>"), want: "bad_response"},
		"something counts otherwise":         {handler: answering(http.StatusOK, strings.Replace(good, `"1"`, `"2"`, 1)), want: "the query 1 was answered"},
		"it sends elsewhere":                 {handler: http.RedirectHandler(elsewhere+"/api/v1/query", http.StatusTemporaryRedirect).ServeHTTP, want: "307"},
		"it never answers":                   {handler: hanging, timeout: 20 * time.Millisecond, want: "not within 20ms"},
		"it does not take posts":             {handler: onlyGet},
		"it answers without an end":          {handler: endless, want: "bad_response"},
		"it is behind a path":                {url: serve(t, http.StripPrefix("/prom", exactly("/api/v1/query"))) + "/prom/"},
		"its path is not that of a URL":      {url: serve(t, exactly("/api/v1/query")) + "/other", want: "client error: 404"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.url == "" {
				tc.url = serve(t, tc.handler)
			}
			s := newSource(t, Options{URL: tc.url, Timeout: tc.timeout})
			err := s.ask(t.Context())
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("error %v, want none", err)
			case tc.want != "" && err == nil:
				t.Errorf("no error, want one that says %q", tc.want)
			case tc.want != "" && (!strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), strings.TrimSuffix(tc.url, "/"))):
				t.Errorf("error %q does not say %q and %s", err, tc.want, tc.url)
			}
			s.transport.base.CloseIdleConnections()
		})
	}
}

func exactly(path string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			http.NotFound(w, r)
			return
		}
		answering(http.StatusOK, good)(w, r)
	}
}

func onlyGet(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		http.Error(w, "read only", http.StatusMethodNotAllowed)
		return
	}
	answering(http.StatusOK, good)(w, r)
}

// hanging answers nothing. That the client has gone is noticed once its question was
// read.
func hanging(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func endless(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		if _, err := w.Write([]byte(strings.Repeat(" ", 1024))); err != nil {
			return
		}
	}
}

func TestCredentialsAreSentAndNotShown(t *testing.T) {
	var mu sync.Mutex
	var said []string
	logger := funcr.New(func(prefix, args string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, prefix+args)
	}, funcr.Options{Verbosity: 9})
	var allowed atomic.Bool
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if !allowed.Load() || user != "reader" || password != "hidden word" {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		answering(http.StatusOK, good)(w, r)
	}))
	address, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	address.User = url.UserPassword("reader", "hidden word")
	clock := clocktesting.NewFakeClock(time.Unix(0, 0))
	s := newSource(t, Options{URL: address.String(), Log: logger, Clock: clock})
	stop := start(t, s)
	eventually(t, "it was asked and refused", func() bool { return s.last.Load() != nil })
	refused := s.Check()
	if refused == nil {
		t.Fatal("it was refused and says nothing")
	}
	allowed.Store(true)
	eventually(t, "it answers", func() bool {
		clock.Step(defaultInterval)
		return s.Check() == nil
	})
	stop()
	mu.Lock()
	defer mu.Unlock()
	if len(said) != 2 {
		t.Errorf("%d lines were logged, want one for each transition: %q", len(said), said)
	}
	for _, text := range append(said, refused.Error()) {
		if strings.Contains(text, "hidden") || strings.Contains(text, "reader") {
			t.Errorf("credentials are shown: %s", text)
		}
		if !strings.Contains(text, server) {
			t.Errorf("the URL is not named: %s", text)
		}
	}
}

func TestBadURLsAreNotShown(t *testing.T) {
	_, err := New(Options{URL: "http://user:hidden@a b", Metrics: prometheus.NewRegistry()})
	if err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("error %v, want one without the password", err)
	}
}

// A server is asked once per interval, however often somebody wants to know.
func TestQuestionsAreBounded(t *testing.T) {
	var questions atomic.Int32
	var down atomic.Bool
	address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		questions.Add(1)
		if down.Load() {
			answering(http.StatusServiceUnavailable, overload)(w, r)
			return
		}
		answering(http.StatusOK, good)(w, r)
	}))
	var lines atomic.Int32
	registry := prometheus.NewPedanticRegistry()
	clock := clocktesting.NewFakeClock(time.Unix(0, 0))
	s := newSource(t, Options{
		URL: address, Interval: time.Minute, Clock: clock, Metrics: registry,
		Log: funcr.New(func(string, string) { lines.Add(1) }, funcr.Options{}),
	})
	if err := s.Check(); err == nil || !strings.Contains(err.Error(), "not been asked") {
		t.Errorf("before it was asked: %v", err)
	}
	wantGauge(t, registry, "")
	start(t, s)
	eventually(t, "it answers", func() bool { return s.Check() == nil })
	wantGauge(t, registry, "1")

	for round := range 3 {
		asked := questions.Load()
		down.Store(round != 2)
		for range 100 {
			_ = s.Check()
		}
		clock.Step(59 * time.Second)
		if got := questions.Load(); got != asked {
			t.Errorf("it was asked %d times within an interval", got-asked)
		}
		eventually(t, "the source waits for its next turn", clock.HasWaiters)
		clock.Step(time.Second)
		eventually(t, "it was asked", func() bool { return questions.Load() == asked+1 })
		eventually(t, "the answer is noted", func() bool { return (s.Check() == nil) == !down.Load() })
	}
	wantGauge(t, registry, "1")
	if got := lines.Load(); got != 3 {
		t.Errorf("%d lines were logged, want 3: up, down once, up", got)
	}
}

func wantGauge(t *testing.T, registry prometheus.Gatherer, value string) {
	t.Helper()
	var want string
	if value != "" {
		want = "# HELP crm_prometheus_up Whether the Prometheus of PROM_URL answered when it was last asked, 1 or 0; absent before that.\n" +
			"# TYPE crm_prometheus_up gauge\ncrm_prometheus_up " + value + "\n"
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "crm_prometheus_up"); err != nil {
		t.Error(err)
	}
}

// A source that ends leaves no question and no connection behind, also while the
// server never answers.
func TestNothingIsLeftBehind(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"a server that answers":       answering(http.StatusOK, good),
		"a server that never answers": hanging,
		"a server that never ends":    endless,
	} {
		t.Run(name, func(t *testing.T) {
			arrived := make(chan struct{}, 64)
			address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				arrived <- struct{}{}
				handler(w, r)
			}))
			stop := start(t, newSource(t, Options{URL: address, Timeout: time.Hour}))
			<-arrived
			stop()
			eventually(t, "every goroutine of the client has ended", func() bool { return !strings.Contains(stacks(), "persistConn") })
			if left := stacks(); strings.Contains(left, "prometheus/client_golang/api") {
				t.Errorf("a question is still being asked:\n%s", left)
			}
		})
	}
}

func stacks() string {
	buffer := make([]byte, 1<<20)
	return string(buffer[:runtime.Stack(buffer, true)])
}

func ExampleSource_Check() {
	s, err := New(Options{URL: "http://prometheus.monitoring:9090", Clock: clocktesting.NewFakeClock(time.Time{}), Metrics: prometheus.NewRegistry()})
	if err != nil {
		panic(err)
	}
	fmt.Println(s.Check())
	// Output: the Prometheus of PROM_URL http://prometheus.monitoring:9090 has not been asked yet
}
