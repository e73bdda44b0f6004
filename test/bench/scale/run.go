// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package scale

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime"

	"oaas.io/oaas/hack/localcluster/progress"
)

func objectName(i int) string { return fmt.Sprintf("package-%05d", i) }

// Run makes the objects of all ways and measures the parts that are wanted. The
// ways hold no objects before. Clients reach all of them through the server of the
// first one.
func Run(ctx context.Context, o Options, ways []*Way, steps progress.Reporter) ([]*Result, error) {
	r := &runner{options: o, steps: progress.OrDiscard(steps), epoch: time.Now()}
	for _, way := range ways {
		r.results = append(r.results, &Result{
			Way: way, Lists: map[ListKind]map[Encoding][]Reading{}, Watches: map[Encoding][]Reading{}, Latency: map[Encoding]*LatencyResult{},
		})
	}
	for _, step := range []struct {
		what  string
		parts []Part
		do    func(context.Context) error
	}{
		{what: "restarting the servers without objects", parts: []Part{StartUp, Memory}, do: r.emptyStarts},
		{what: fmt.Sprintf("making %d objects of each kind", o.Objects), parts: Parts(), do: r.fill},
		{what: "listing", parts: []Part{Lists}, do: r.lists},
		{what: "starting watches", parts: []Part{Watches}, do: r.watches},
		{what: "writing under watch", parts: []Part{Latency}, do: r.latencies},
		{what: "restarting the servers with all objects", parts: []Part{StartUp, Memory}, do: r.loadedStarts},
	} {
		if !slices.ContainsFunc(step.parts, func(part Part) bool { return o.Parts[part] }) {
			continue
		}
		end := r.steps.Begin(step.what)
		err := step.do(ctx)
		end(err)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return r.results, nil
}

type runner struct {
	options Options
	steps   progress.Reporter
	results []*Result
	// epoch is what stamps count from.
	epoch time.Time
}

// inTurns gives each way its turn as often as told. Who comes first changes: the
// first one of a turn finds the machine in another state.
func (r *runner) inTurns(turns int, do func(*Result) error) error {
	for turn := range turns {
		for i := range r.results {
			result := r.results[(i+turn)%len(r.results)]
			if err := do(result); err != nil {
				return fmt.Errorf("%s: %w", result.Way.Name, err)
			}
		}
	}
	return nil
}

// fill makes the objects, and measures the memory before and after: one way after
// the other, so that nobody's garbage is counted as another's objects.
func (r *runner) fill(ctx context.Context) error {
	return r.inTurns(1, func(result *Result) error {
		conn, err := connect(result.Way, result.Way.Client)
		if err != nil {
			return err
		}
		// The first list makes kube-apiserver open the store of a custom resource.
		if _, err := conn.list(ctx, Full, JSON, r.options.PageSize); err != nil {
			return err
		}
		if r.options.Parts[Memory] {
			if result.Empty, err = usage(ctx, &result.Way.Server); err != nil {
				return err
			}
		}
		if err := makeObjects(ctx, conn, r.options.Clients, r.options.Objects); err != nil {
			return err
		}
		if r.options.Parts[Memory] {
			result.Loaded, err = usage(ctx, &result.Way.Server)
			return err
		}
		// What controllers write about new objects is no part of what comes next.
		return awaitIdle(ctx, result.Way.Server.PID())
	})
}

func makeObjects(ctx context.Context, conn *connection, clients, objects int) error {
	var next atomic.Int64
	making, ctx := errgroup.WithContext(ctx)
	for range clients {
		making.Go(func() error {
			for i := int(next.Add(1)) - 1; i < objects; i = int(next.Add(1)) - 1 {
				name := objectName(i)
				if err := conn.send(ctx, http.MethodPost, conn.way.path(), runtime.ContentTypeJSON, conn.way.Object(name)); err != nil {
					return fmt.Errorf("making %s: %w", name, err)
				}
			}
			return nil
		})
	}
	return making.Wait()
}

func (r *runner) lists(ctx context.Context) error {
	return r.inTurns(r.options.Lists, func(result *Result) error {
		conn, err := connect(result.Way, result.Way.Client)
		if err != nil {
			return err
		}
		for _, kind := range ListKinds() {
			if result.Lists[kind] == nil {
				result.Lists[kind] = map[Encoding][]Reading{}
			}
			for _, e := range result.Way.Encodings {
				reading, err := conn.list(ctx, kind, e, r.options.PageSize)
				if err != nil {
					return fmt.Errorf("%s in %s: %w", kind, e, err)
				}
				result.Lists[kind][e] = append(result.Lists[kind][e], reading)
			}
		}
		return nil
	})
}

func (r *runner) watches(ctx context.Context) error {
	return r.inTurns(r.options.Lists, func(result *Result) error {
		conn, err := connect(result.Way, result.Way.Client)
		if err != nil {
			return err
		}
		for _, e := range result.Way.Encodings {
			reading, err := conn.startWatch(ctx, e)
			if err != nil {
				return fmt.Errorf("watch in %s: %w", e, err)
			}
			result.Watches[e] = append(result.Watches[e], reading)
		}
		return nil
	})
}

func (r *runner) latencies(ctx context.Context) error {
	return r.inTurns(r.options.Latency.Turns, func(result *Result) error {
		for _, e := range result.Way.Encodings {
			if err := awaitIdle(ctx, result.Way.Server.PID()); err != nil {
				return err
			}
			var turn *LatencyResult
			err := r.profiled(ctx, fmt.Sprintf("latency %s %s", result.Way.Name, e), &result.Way.Server, func() (err error) {
				turn, err = latency(ctx, result.Way, e, r.options, r.epoch)
				return err
			})
			if err != nil {
				return fmt.Errorf("watches in %s: %w", e, err)
			}
			if result.Latency[e] == nil {
				result.Latency[e] = &LatencyResult{}
			}
			result.Latency[e].add(turn)
		}
		return nil
	})
}

// profiled profiles a server, and the one that clients reach it through, while
// something is done, if profiles are wanted.
func (r *runner) profiled(ctx context.Context, what string, server *Server, do func() error) error {
	if r.options.Profiles == "" {
		return do()
	}
	servers := []*Server{server}
	if front := &r.results[0].Way.Server; front.Name != server.Name {
		servers = append(servers, front)
	}
	var both errgroup.Group
	both.Go(func() error {
		return profileAll(ctx, r.options.Profiles, what, r.options.Latency.Duration, servers...)
	})
	both.Go(do)
	return both.Wait()
}

// restarts gives each server its turns; one is enough for a look at the memory.
func (r *runner) restarts(ctx context.Context, starts func(*Result) *[]StartUpTime) error {
	turns := 1
	if r.options.Parts[StartUp] {
		turns = r.options.Restarts
	}
	return r.inTurns(turns, func(result *Result) error {
		took, err := startUp(ctx, result.Way)
		if r.options.Parts[StartUp] {
			*starts(result) = append(*starts(result), took)
		}
		return err
	})
}

func (r *runner) emptyStarts(ctx context.Context) error {
	return r.restarts(ctx, func(result *Result) *[]StartUpTime { return &result.EmptyStarts })
}

func (r *runner) loadedStarts(ctx context.Context) error {
	if err := r.restarts(ctx, func(result *Result) *[]StartUpTime { return &result.LoadedStarts }); err != nil {
		return err
	}
	if !r.options.Parts[Memory] {
		return nil
	}
	return r.inTurns(1, func(result *Result) (err error) {
		result.Restarted, err = usage(ctx, &result.Way.Server)
		return err
	})
}
