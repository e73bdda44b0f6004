// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package scale measures API servers that hold many objects: lists, the start of
// watches, how soon watchers hear of writes, memory and start-up. Several ways to
// objects of about the same size take turns, so that the ratios between them hold
// on a machine whose speed drifts.
package scale

import (
	"context"
	"net/url"

	"k8s.io/client-go/rest"

	"oaas.io/oaas/test/bench/measure"
)

// Namespace holds the objects; the caller makes it.
const Namespace = "bench"

// Encoding is what a client asks for.
type Encoding string

// The encodings that are compared.
const (
	JSON     Encoding = "JSON"
	Protobuf Encoding = "protobuf"
)

// Way is a resource and how clients reach it.
type Way struct {
	// Name in figures.
	Name string
	// Group, Version and Resource, in the plural, of the objects.
	Group, Version, Resource string
	// Object returns an object of the given name as JSON.
	Object func(name string) []byte
	// Client reaches the resource as those do who are measured.
	Client *rest.Config
	// Encodings that the server can answer in.
	Encodings []Encoding
	// Server holds the objects.
	Server Server
}

// Server is a process that can be looked at and restarted.
type Server struct {
	// Name in figures.
	Name string
	// Direct reaches the process itself as an administrator.
	Direct *rest.Config
	// PID is the id of the process that runs now.
	PID func() int
	// Kill ends the process at once and returns when it is gone.
	Kill func(context.Context) error
	// Run starts it again at the same address. It may wait until it is ready.
	Run func(context.Context) error
	// Wait returns when the process is ready and clients reach the resource.
	Wait func(context.Context) error
}

// path of the collection in the namespace, or of one object of it.
func (w *Way) path(names ...string) string {
	path, _ := url.JoinPath("/apis", append([]string{w.Group, w.Version, "namespaces", Namespace, w.Resource}, names...)...) // well-formed
	return path
}

// Options say how much is measured.
type Options struct {
	// Objects of each way.
	Objects int
	// Clients that make the objects side by side.
	Clients int
	// Lists is how many times each list and each start of a watch is measured.
	Lists int
	// PageSize of a paged list.
	PageSize int
	// Latency is how the time to the watchers is measured.
	Latency LatencyOptions
	// Restarts of each server, with and without objects.
	Restarts int
	// Profiles is a folder for CPU profiles of the servers while they are written to
	// under watch; "" for none. They cost some of what is measured.
	Profiles string
	// Parts that are measured; the rest is left out.
	Parts map[Part]bool
}

// Part of what is measured.
type Part string

// The parts.
const (
	// Lists are full lists, paged ones and such from the watch cache.
	Lists Part = "lists"
	// Watches are watches that begin with all objects.
	Watches Part = "watches"
	// Latency is how soon watchers hear of writes.
	Latency Part = "latency"
	// Memory is what objects take up in the servers. They are restarted for it.
	Memory Part = "memory"
	// StartUp is how long the servers take to start.
	StartUp Part = "startup"
)

// Parts returns all parts, in the order in which they are measured.
func Parts() []Part { return []Part{Memory, Lists, Watches, Latency, StartUp} }

// Result is what was measured of one way.
type Result struct {
	Way *Way
	// Lists by kind and encoding, one for each turn.
	Lists map[ListKind]map[Encoding][]Reading
	// Watches, from their start until the last initial event.
	Watches map[Encoding][]Reading
	// Latency by encoding, all turns together.
	Latency map[Encoding]*LatencyResult
	// Empty is the server's memory without objects, Loaded after they were made,
	// with what the server remembers of that, and Restarted after a restart.
	Empty, Loaded, Restarted Usage
	// EmptyStarts and LoadedStarts are start-ups without objects and with them.
	EmptyStarts, LoadedStarts []StartUpTime
}

// median of a value over the turns.
func median[T any](readings []T, value func(T) float64) float64 {
	values := make([]float64, len(readings))
	for i, reading := range readings {
		values[i] = value(reading)
	}
	return measure.Median(values)
}
