// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package scale

import (
	"bufio"
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"oaas.io/oaas/test/bench/report"
)

// told returns the figures of a comparison of the results by their names.
func told(t *testing.T, results ...*Result) map[string]report.Figure {
	t.Helper()
	path := filepath.Join(t.TempDir(), "figures.json")
	t.Setenv(report.OutVariable, path)
	figures := report.New("api")
	Comparison{Objects: 2000, Peer: "crd", Ours: "aggregated"}.AddTo(figures, results)
	if err := figures.Write(&bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]report.Figure{}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		var figure report.Figure
		if err := json.Unmarshal(lines.Bytes(), &figure); err != nil {
			t.Fatal(err)
		}
		if _, again := byName[figure.Name]; again {
			t.Errorf("two figures are called %q", figure.Name)
		}
		byName[figure.Name] = figure
	}
	return byName
}

func readings(bytes int64, seconds ...int) []Reading {
	var made []Reading
	for _, s := range seconds {
		made = append(made, Reading{Took: time.Duration(s) * time.Second, Bytes: bytes, Wire: bytes / 2})
	}
	return made
}

func latencies(ms ...int) *LatencyResult {
	result := &LatencyResult{Writes: len(ms), Writing: time.Second}
	for _, l := range ms {
		result.Latencies = append(result.Latencies, time.Duration(l)*time.Millisecond)
	}
	return result
}

func peer() *Result {
	return &Result{
		Way:       &Way{Name: "crd", Encodings: []Encoding{JSON}, Server: Server{Name: "kube-apiserver"}},
		Lists:     map[ListKind]map[Encoding][]Reading{Full: {JSON: readings(4_000_000, 9, 6, 2)}},
		Watches:   map[Encoding][]Reading{JSON: readings(4_000_000, 3)},
		Latency:   map[Encoding]*LatencyResult{JSON: latencies(10, 20, 40)},
		Empty:     Usage{Resident: 100 << 20, Heap: 50 << 20},
		Loaded:    Usage{Resident: 180 << 20, Heap: 90 << 20},
		Restarted: Usage{Resident: 180 << 20, Heap: 90 << 20},
	}
}

func ours() *Result {
	return &Result{
		Way: &Way{Name: "aggregated", Encodings: []Encoding{JSON, Protobuf}, Server: Server{Name: "Package Manager"}},
		Lists: map[ListKind]map[Encoding][]Reading{Full: {
			JSON: readings(4_000_000, 4), Protobuf: readings(1_000_000, 2),
		}},
		Watches: map[Encoding][]Reading{JSON: readings(4_000_000, 3), Protobuf: readings(1_000_000, 1)},
		Latency: map[Encoding]*LatencyResult{JSON: latencies(5, 10, 80), Protobuf: latencies(5, 10, 20)},
		Empty:   Usage{Resident: 10 << 20, Heap: 5 << 20},
		Loaded:  Usage{Resident: 50 << 20, Heap: 65 << 20}, Restarted: Usage{Resident: 50 << 20, Heap: 15 << 20},
		EmptyStarts:  []StartUpTime{{Ready: time.Second, Served: 2 * time.Second}},
		LoadedStarts: []StartUpTime{{Ready: 3 * time.Second, Served: 4 * time.Second}},
	}
}

func TestFigures(t *testing.T) {
	figures := told(t, peer(), ours())
	for name, want := range map[string]report.Figure{
		"full list of 2000, crd, JSON":                              {Value: 6, Unit: "s"},
		"full list of 2000, crd, JSON, bytes":                       {Value: 4, Unit: "MB"},
		"full list of 2000, crd, JSON, bytes on the wire":           {Value: 2, Unit: "MB"},
		"full list of 2000, aggregated JSON to crd, speed":          {Value: 1.5, Unit: "ratio"},
		"full list of 2000, aggregated protobuf to crd, speed":      {Value: 3, Unit: "ratio", Aim: ">= 2"},
		"full list of 2000, aggregated protobuf to crd, bytes":      {Value: 0.25, Unit: "ratio", Aim: "<= 0.5"},
		"watch start of 2000, aggregated protobuf to crd, speed":    {Value: 3, Unit: "ratio"},
		"watch latency, crd, JSON, p50":                             {Value: 20, Unit: "ms"},
		"watch latency, crd, JSON, p99":                             {Value: 40, Unit: "ms"},
		"watch latency, crd, JSON, writes taken":                    {Value: 3, Unit: "1/s"},
		"watch latency, aggregated protobuf to crd, p50":            {Value: 0.5, Unit: "ratio"},
		"watch latency, aggregated JSON to crd, p99":                {Value: 2, Unit: "ratio", Aim: "<= 1"},
		"watch latency, aggregated protobuf to crd, p99":            {Value: 0.5, Unit: "ratio", Aim: "<= 1"},
		"watch latency, aggregated, JSON, events missed":            {Value: 0, Aim: "<= 0"},
		"memory, Package Manager empty, resident":                   {Value: 10, Unit: "MiB"},
		"resident for 1000 after making them, crd":                  {Value: 40, Unit: "MiB"},
		"resident for 1000 after making them, aggregated to crd":    {Value: 0.5, Unit: "ratio", Aim: "<= 1"},
		"heap in use for 1000 after making them, aggregated to crd": {Value: 1.5, Unit: "ratio", Aim: "<= 1"},
		"heap in use for 1000 after a restart, aggregated to crd":   {Value: 0.25, Unit: "ratio", Aim: "<= 1"},
		"start-up, Package Manager empty, ready":                    {Value: 1, Unit: "s"},
		"start-up, Package Manager of 2000, first list served":      {Value: 4, Unit: "s"},
	} {
		got, ok := figures[name]
		if !ok {
			t.Errorf("there is no figure %q; there are %q", name, slices.Sorted(maps.Keys(figures)))
			continue
		}
		want.Bench, want.Name = "api", name
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestWhatWasNotMeasuredIsNotTold(t *testing.T) {
	crd, aggregated := peer(), ours()
	for _, r := range []*Result{crd, aggregated} {
		r.Watches, r.Latency, r.Loaded, r.LoadedStarts = nil, nil, Usage{}, nil
	}
	for name := range told(t, crd, aggregated) {
		for _, absent := range []string{"watch", "for 1000", "start-up, Package Manager of 2000"} {
			if strings.Contains(name, absent) {
				t.Errorf("%q was not measured", name)
			}
		}
	}
}

func TestNoRatioToMemoryThatDidNotGrow(t *testing.T) {
	crd := peer()
	crd.Loaded = crd.Empty
	figures := told(t, crd, ours())
	if figure, ok := figures["heap in use for 1000 after making them, aggregated to crd"]; ok {
		t.Errorf("a ratio to nothing is told: %+v", figure)
	}
}
