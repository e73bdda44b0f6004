// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package scale

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"

	"oaas.io/oaas/test/bench/measure"
)

const (
	// writesUnderWay bounds the writes that wait for an answer. A server that cannot
	// keep up is written to more slowly, instead of piling up a queue whose length
	// only tells how long the measurement took.
	writesUnderWay = 32
	// watchersAtOnce bounds the TLS handshakes at a time.
	watchersAtOnce = 10
	// lastEvents is how long the watchers may take after the last write, and what an
	// event counts for that did not come.
	lastEvents = 20 * time.Second
	lookEvery  = 10 * time.Millisecond
	// watchLife is longer than any measurement, so that no server ends a watch.
	watchLife = "3600"
)

// LatencyOptions say how the time from a write to the watchers is measured.
type LatencyOptions struct {
	// Watchers of all objects, each with a connection of its own.
	Watchers int
	// Rate of the writes per second.
	Rate int
	// Duration of the writes in each turn.
	Duration time.Duration
	// Turns of each way.
	Turns int
}

// LatencyResult is how soon watchers heard of writes.
type LatencyResult struct {
	// Latencies from the sending of a write to its event, for each watcher. An event
	// that did not come counts as one that took very long.
	Latencies []time.Duration
	// Writes that were sent, and how long that took.
	Writes  int
	Writing time.Duration
	// Missed is the number of events that did not come.
	Missed int
	// Broken tells why watches ended before their time.
	Broken []error
}

// Rate is the number of writes per second that the server took.
func (r *LatencyResult) Rate() float64 {
	if r.Writing == 0 {
		return 0
	}
	return float64(r.Writes) / r.Writing.Seconds()
}

func (r *LatencyResult) add(turn *LatencyResult) {
	r.Latencies = append(r.Latencies, turn.Latencies...)
	r.Writes += turn.Writes
	r.Writing += turn.Writing
	r.Missed += turn.Missed
	r.Broken = append(r.Broken, turn.Broken...)
}

// watcher collects the latencies of the writes that it hears of.
type watcher struct {
	// epoch is what stamps count from; those before since are of an earlier turn.
	epoch     time.Time
	since     time.Duration
	stream    io.ReadCloser
	transport http.RoundTripper

	seen      map[time.Duration]struct{}
	latencies []time.Duration
	count     atomic.Int64
	ended     atomic.Bool
}

// follow reads events until the stream ends. A write is counted once: a controller
// that answers it with a change of its own sends the same stamp again.
func (w *watcher) follow() error {
	defer w.ended.Store(true)
	return measure.ReadStamps(w.stream, func(at time.Duration) {
		if _, again := w.seen[at]; again || at < w.since {
			return
		}
		w.seen[at] = struct{}{}
		w.latencies = append(w.latencies, time.Since(w.epoch)-at)
		w.count.Add(1)
	})
}

func (w *watcher) close() {
	_ = w.stream.Close() // nothing is read from it any more
	utilnet.CloseIdleConnectionsFor(w.transport)
}

// latency measures one turn of a way. The epoch is the same in all turns: objects
// keep the stamps of the turn before.
func latency(ctx context.Context, way *Way, e Encoding, o Options, epoch time.Time) (*LatencyResult, error) {
	conn, err := connect(way, way.Client)
	if err != nil {
		return nil, err
	}
	watchers, err := openWatchers(ctx, way, conn, e, o.Latency.Watchers, epoch)
	if err != nil {
		return nil, err
	}
	ended := make(chan error, len(watchers))
	for _, w := range watchers {
		go func() { ended <- w.follow() }()
	}
	result := &LatencyResult{}
	if err := write(ctx, conn, o, epoch, result); err != nil {
		for _, w := range watchers {
			w.close()
		}
		return nil, err
	}
	waitForEvents(ctx, watchers, result.Writes)
	for range len(ended) {
		result.Broken = append(result.Broken, cmp.Or(<-ended, io.EOF))
	}
	for _, w := range watchers {
		w.close()
	}
	for range len(watchers) - len(result.Broken) {
		<-ended //nolint:errcheck // ended by us, in the middle of an event or not
	}
	for _, w := range watchers {
		result.Latencies = append(result.Latencies, w.latencies...)
		missed := result.Writes - len(w.latencies)
		result.Latencies = append(result.Latencies, slices.Repeat([]time.Duration{lastEvents}, missed)...)
		result.Missed += missed
	}
	return result, nil
}

func openWatchers(ctx context.Context, way *Way, conn *connection, e Encoding, count int, epoch time.Time) ([]*watcher, error) {
	version, err := conn.resourceVersion(ctx)
	if err != nil {
		return nil, err
	}
	query := url.Values{"watch": {"1"}, "resourceVersion": {version}, "timeoutSeconds": {watchLife}}
	watchers := make([]*watcher, count)
	var opening errgroup.Group
	opening.SetLimit(watchersAtOnce)
	for i := range watchers {
		opening.Go(func() error {
			// A dialer of its own keeps the client from sharing a connection.
			config := rest.CopyConfig(way.Client)
			config.Dial = (&net.Dialer{}).DialContext
			own, err := connect(way, config)
			if err != nil {
				return err
			}
			response, err := own.get(ctx, way.path(), query, e) //nolint:bodyclose // the watcher closes it when it ends
			if err != nil {
				return fmt.Errorf("watching: %w", err)
			}
			watchers[i] = &watcher{
				epoch: epoch, since: time.Since(epoch), stream: response.Body, transport: own.http.Transport, seen: map[time.Duration]struct{}{},
			}
			return nil
		})
	}
	if err := opening.Wait(); err != nil {
		for _, w := range watchers {
			if w != nil {
				w.close()
			}
		}
		return nil, err
	}
	return watchers, nil
}

// write changes one object after the other at the wanted rate.
func write(ctx context.Context, conn *connection, o Options, epoch time.Time, result *LatencyResult) error {
	count := int(o.Latency.Duration.Seconds() * float64(o.Latency.Rate))
	interval := time.Second / time.Duration(o.Latency.Rate)
	writing, ctx := errgroup.WithContext(ctx)
	writing.SetLimit(writesUnderWay)
	start := time.Now()
	for i := range count {
		select {
		case <-ctx.Done():
			return errors.Join(writing.Wait(), context.Cause(ctx))
		case <-time.After(time.Until(start.Add(time.Duration(i) * interval))):
		}
		writing.Go(func() error {
			// Two writes at the same nanosecond would be taken for one.
			stamp := measure.Stamp(time.Since(epoch)/time.Duration(count)*time.Duration(count) + time.Duration(i))
			body := fmt.Appendf(nil, `{"metadata":{"annotations":{"bench.oaas.io/sent":"%s"}}}`, stamp)
			err := conn.send(ctx, http.MethodPatch, conn.way.path(objectName(i%o.Objects)), string(types.MergePatchType), body)
			if err != nil {
				return fmt.Errorf("write %d: %w", i, err)
			}
			return nil
		})
	}
	err := writing.Wait()
	result.Writes, result.Writing = count, time.Since(start)
	return err
}

// waitForEvents returns when every watcher has heard of every write or hears of
// nothing more, or after a while without.
func waitForEvents(ctx context.Context, watchers []*watcher, writes int) {
	ctx, cancel := context.WithTimeout(ctx, lastEvents)
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for _, w := range watchers {
		for int(w.count.Load()) < writes && !w.ended.Load() {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}
}
