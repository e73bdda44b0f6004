// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package scale

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"k8s.io/client-go/rest"

	"oaas.io/oaas/test/bench/measure"
)

const (
	// A server is idle when it uses less than this share of a processor, so that
	// what controllers write after the objects were made is over.
	idleShare = 0.1
	idleFor   = time.Second
	// idleWithin bounds the wait; a server that never rests is measured as it is.
	idleWithin = time.Minute
	// startWithin bounds a start-up.
	startWithin = 2 * time.Minute
	probeEvery  = 10 * time.Millisecond
)

// Usage is what a server takes up.
type Usage struct {
	// Resident memory of the process in bytes.
	Resident int64
	// Heap in bytes that is in use after a garbage collection.
	Heap int64
}

// usage of a server that has come to rest.
func usage(ctx context.Context, s *Server) (Usage, error) {
	if err := awaitIdle(ctx, s.PID()); err != nil {
		return Usage{}, err
	}
	var u Usage
	// The first collection moves what pools hold aside, the second frees it.
	for range 2 {
		var err error
		if u.Heap, err = liveHeap(ctx, s.Direct); err != nil {
			return Usage{}, fmt.Errorf("heap of %s: %w", s.Name, err)
		}
	}
	// The runtime gives memory back little by little.
	if err := awaitIdle(ctx, s.PID()); err != nil {
		return Usage{}, err
	}
	var err error
	u.Resident, err = Resident(s.PID())
	return u, err
}

// Resident is the resident memory of a process in bytes.
func Resident(pid int) (int64, error) {
	content, err := os.ReadFile(processFile(pid, "status"))
	if err != nil {
		return 0, fmt.Errorf("reading the memory of process %d: %w", pid, err)
	}
	resident, err := measure.ResidentBytes(string(content))
	if err != nil {
		return 0, fmt.Errorf("process %d: %w", pid, err)
	}
	return resident, nil
}

func liveHeap(ctx context.Context, config *rest.Config) (int64, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return 0, err
	}
	base, err := url.Parse(config.Host)
	if err != nil {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("/debug/pprof/heap").String()+"?gc=1&debug=1", nil)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	if response.StatusCode != http.StatusOK {
		return 0, refusal(response)
	}
	defer func() { _ = response.Body.Close() }() // what matters was read
	return measure.LiveHeapBytes(response.Body)
}

func awaitIdle(ctx context.Context, pid int) error {
	deadline := time.Now().Add(idleWithin)
	for time.Now().Before(deadline) {
		before, err := times(pid)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(idleFor):
		}
		after, err := times(pid)
		if err != nil {
			return err
		}
		if (after.CPU - before.CPU).Seconds() < idleShare*idleFor.Seconds() {
			return nil
		}
	}
	return nil
}

// StartUpTime is counted from the start of a process.
type StartUpTime struct {
	// Ready is when /readyz said so.
	Ready time.Duration
	// Served is when the server had answered a list of all objects. One may be
	// ready before it has loaded what it serves.
	Served time.Duration
}

// startUp restarts a server and measures it.
func startUp(ctx context.Context, way *Way) (StartUpTime, error) {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	s := &way.Server
	if err := s.Kill(ctx); err != nil {
		return StartUpTime{}, err
	}
	var ready, served time.Time
	probed := make(chan error, 1)
	go func() {
		var err error
		if ready, err = probe(ctx, way, "/readyz"); err == nil {
			served, err = probe(ctx, way, way.path())
		}
		probed <- err
	}()
	err := s.Run(ctx)
	if err != nil {
		cancel()
	}
	if probeErr := <-probed; err == nil {
		err = probeErr
	}
	if err != nil {
		return StartUpTime{}, fmt.Errorf("restarting %s: %w", s.Name, err)
	}
	age, err := age(s.PID())
	if err != nil {
		return StartUpTime{}, err
	}
	started := time.Now().Add(-age)
	return StartUpTime{Ready: ready.Sub(started), Served: served.Sub(started)}, s.Wait(ctx)
}

// probe asks the server itself until it answers, and returns when that was. Each
// time it connects anew, as the server may not listen yet.
func probe(ctx context.Context, way *Way, path string) (time.Time, error) {
	tlsConfig, err := rest.TLSConfigFor(way.Server.Direct)
	if err != nil {
		return time.Time{}, err
	}
	base, err := url.Parse(way.Server.Direct.Host)
	if err != nil {
		return time.Time{}, err
	}
	c := &connection{
		way: way, base: base,
		http: &http.Client{Transport: &http.Transport{TLSClientConfig: tlsConfig, DisableKeepAlives: true}},
	}
	var last error
	for {
		if _, last = c.answer(ctx, path); last == nil {
			return time.Now(), nil
		}
		select {
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("waiting for %s: %w (%w)", path, last, context.Cause(ctx))
		case <-time.After(probeEvery):
		}
	}
}

// answer asks for a path in whatever form the server chooses, and reads it away.
func (c *connection) answer(ctx context.Context, path string) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath(path).String(), nil)
	if err != nil {
		return 0, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, err
	}
	if response.StatusCode != http.StatusOK {
		return 0, refusal(response)
	}
	defer func() { _ = response.Body.Close() }() // what matters was read
	return discard(response.Body)
}

func times(pid int) (measure.Times, error) {
	content, err := os.ReadFile(processFile(pid, "stat"))
	if err != nil {
		return measure.Times{}, fmt.Errorf("reading the times of process %d: %w", pid, err)
	}
	return measure.ProcessTimes(string(content))
}

// age is how long a process runs, to 10 ms.
func age(pid int) (time.Duration, error) {
	t, err := times(pid)
	if err != nil {
		return 0, err
	}
	content, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0, fmt.Errorf("reading how long the system runs: %w", err)
	}
	up, err := measure.Uptime(string(content))
	if err != nil {
		return 0, err
	}
	return up - t.Start, nil
}

func processFile(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}
