// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package scale

import (
	"fmt"
	"time"

	"oaas.io/oaas/test/bench/measure"
	"oaas.io/oaas/test/bench/report"
)

// Comparison says who is compared with whom.
type Comparison struct {
	// Objects that each way holds.
	Objects int
	// Peer is compared with, and Ours is what aims are set for, by the names of
	// their ways.
	Peer, Ours string
}

const (
	// Ratios of speed are the peer's time by ours, those of sizes and latencies
	// ours by the peer's, so that an aim says what it means.
	aimListSpeed = ">= 2"
	aimListBytes = "<= 0.5"
	aimLatency   = "<= 1"
	aimMemory    = "<= 1"
	aimMissed    = "<= 0"

	megabyte = 1e6
)

// AddTo adds what was measured to a report: the figures of each way, then the
// ratios to the peer. What was not measured is left out.
func (c Comparison) AddTo(figures *report.Report, results []*Result) {
	var peer *Result
	for _, r := range results {
		if r.Way.Name == c.Peer {
			peer = r
		}
	}
	for _, kind := range ListKinds() {
		c.addReadings(figures, string(kind), results, peer, func(r *Result) map[Encoding][]Reading { return r.Lists[kind] }, true)
	}
	c.addReadings(figures, "watch start", results, peer, func(r *Result) map[Encoding][]Reading { return r.Watches }, false)
	c.addLatencies(figures, results, peer)
	c.addMemory(figures, results, peer)
	c.addStarts(figures, results)
}

func took(r Reading) float64    { return r.Took.Seconds() }
func size(r Reading) float64    { return float64(r.Bytes) }
func onWire(r Reading) float64  { return float64(r.Wire) }
func (c Comparison) of() string { return fmt.Sprintf("of %d", c.Objects) }

func (c Comparison) addReadings(
	figures *report.Report, what string, results []*Result, peer *Result, of func(*Result) map[Encoding][]Reading, aims bool,
) {
	what += " " + c.of()
	for _, r := range results {
		for _, e := range r.Way.Encodings {
			readings := of(r)[e]
			if len(readings) == 0 {
				continue
			}
			name := fmt.Sprintf("%s, %s, %s", what, r.Way.Name, e)
			figures.Add(name, median(readings, took), "s", "")
			figures.Add(name+", bytes", median(readings, size)/megabyte, "MB", "")
			figures.Add(name+", bytes on the wire", median(readings, onWire)/megabyte, "MB", "")
		}
	}
	if peer == nil || len(of(peer)[JSON]) == 0 {
		return
	}
	compared := of(peer)[JSON]
	for _, r := range results {
		if r == peer {
			continue
		}
		for _, e := range r.Way.Encodings {
			readings := of(r)[e]
			if len(readings) == 0 {
				continue
			}
			name := fmt.Sprintf("%s, %s %s to %s", what, r.Way.Name, e, peer.Way.Name)
			// Custom resources come in JSON only; ours in what the client chooses.
			aimed := aims && r.Way.Name == c.Ours && e == Protobuf
			addRatio(figures, name+", speed", median(compared, took), median(readings, took), aimIf(aimed, aimListSpeed))
			addRatio(figures, name+", bytes", median(readings, size), median(compared, size), aimIf(aimed, aimListBytes))
		}
	}
}

func (c Comparison) addLatencies(figures *report.Report, results []*Result, peer *Result) {
	for _, r := range results {
		for _, e := range r.Way.Encodings {
			measured := r.Latency[e]
			if measured == nil {
				continue
			}
			name := fmt.Sprintf("watch latency, %s, %s", r.Way.Name, e)
			figures.Add(name+", p50", milliseconds(measure.Quantile(measured.Latencies, 0.5)), "ms", "")
			figures.Add(name+", p99", milliseconds(measure.Quantile(measured.Latencies, 0.99)), "ms", "")
			figures.Add(name+", writes taken", measured.Rate(), "1/s", "")
			figures.Add(name+", events missed", float64(measured.Missed), "", aimIf(r.Way.Name == c.Ours, aimMissed))
			figures.Add(name+", watches ended", float64(len(measured.Broken)), "", "")
		}
	}
	if peer == nil || peer.Latency[JSON] == nil {
		return
	}
	compared := peer.Latency[JSON]
	for _, r := range results {
		for _, e := range r.Way.Encodings {
			measured := r.Latency[e]
			if r == peer || measured == nil {
				continue
			}
			for _, q := range []float64{0.5, 0.99} {
				addRatio(figures, fmt.Sprintf("watch latency, %s %s to %s, p%.0f", r.Way.Name, e, peer.Way.Name, 100*q),
					milliseconds(measure.Quantile(measured.Latencies, q)), milliseconds(measure.Quantile(compared.Latencies, q)),
					aimIf(r.Way.Name == c.Ours && q == 0.99, aimLatency))
			}
		}
	}
}

// memoryKind is one of the things that are told of the memory.
type memoryKind struct {
	name string
	of   func(Usage) int64
}

func memoryKinds() []memoryKind {
	return []memoryKind{
		{"resident", func(u Usage) int64 { return u.Resident }},
		{"heap in use", func(u Usage) int64 { return u.Heap }},
	}
}

func (c Comparison) addMemory(figures *report.Report, results []*Result, peer *Result) {
	if peer == nil || peer.Loaded == (Usage{}) {
		return
	}
	for _, kind := range memoryKinds() {
		for _, r := range results {
			figures.Add(fmt.Sprintf("memory, %s empty, %s", r.Way.Server.Name, kind.name), float64(kind.of(r.Empty))/measure.MiB, "MiB", "")
		}
		for _, moment := range []struct {
			name string
			of   func(*Result) Usage
		}{
			{"after making them", func(r *Result) Usage { return r.Loaded }},
			{"after a restart", func(r *Result) Usage { return r.Restarted }},
		} {
			// growth by 1,000 objects, in MiB.
			growth := func(r *Result) float64 {
				return float64(kind.of(moment.of(r))-kind.of(r.Empty)) / measure.MiB / float64(c.Objects) * 1000
			}
			what := fmt.Sprintf("%s for 1000 %s", kind.name, moment.name)
			for _, r := range results {
				figures.Add(what+", "+r.Way.Name, growth(r), "MiB", "")
			}
			for _, r := range results {
				if r != peer {
					addRatio(figures, fmt.Sprintf("%s, %s to %s", what, r.Way.Name, peer.Way.Name),
						growth(r), growth(peer), aimIf(r.Way.Name == c.Ours, aimMemory))
				}
			}
		}
	}
}

func (c Comparison) addStarts(figures *report.Report, results []*Result) {
	for _, r := range results {
		for _, held := range []struct {
			objects string
			starts  []StartUpTime
		}{{"empty", r.EmptyStarts}, {c.of(), r.LoadedStarts}} {
			if len(held.starts) == 0 {
				continue
			}
			name := fmt.Sprintf("start-up, %s %s", r.Way.Server.Name, held.objects)
			figures.Add(name+", ready", median(held.starts, func(s StartUpTime) float64 { return s.Ready.Seconds() }), "s", "")
			figures.Add(name+", first list served", median(held.starts, func(s StartUpTime) float64 { return s.Served.Seconds() }), "s", "")
		}
	}
}

// addRatio leaves out what no ratio can be told of, such as the memory of a few
// objects that fit into what a server had anyway.
func addRatio(figures *report.Report, name string, value, by float64, aim string) {
	if by > 0 {
		figures.Add(name, value/by, "ratio", aim)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func aimIf(wanted bool, aim string) string {
	if wanted {
		return aim
	}
	return ""
}
