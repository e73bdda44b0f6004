// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/test/bench/report"
	"oaas.io/oaas/test/bench/scale"
)

const (
	kib = 1 << 10
	// profileFor is long enough to see a whole roll-out of the smallest size.
	profileFor = 10 * time.Second
	// settleFor lets what controllers do after the last Deployment come to an end.
	settleFor = 10 * time.Second
)

// measure takes all figures of one number of records and leaves nothing behind.
func measure(ctx context.Context, s settings, hub *cluster.Cluster, m *manager, p *peer, records int, figures *report.Report) error {
	namespace, floorNamespace := fmt.Sprintf("crm-%d", records), fmt.Sprintf("floor-%d", records)
	if err := makeNamespaces(ctx, p, namespace, floorNamespace); err != nil {
		return err
	}
	add := func(name string, value float64, unit, aim string) {
		name = fmt.Sprintf("%d records: %s", records, name)
		figures.Add(name, value, unit, aim)
		// A run takes long: whoever ends it early has what was measured until then.
		fmt.Fprintf(os.Stderr, "%s: %.4g %s\n", name, value, unit)
	}
	// It exists from the beginning, so that it can change later without that being
	// news for records.
	if err := touchEnvironment(ctx, hub, environment, 0); err != nil {
		return err
	}
	// What the program needs once, such as the caches of the kinds, is no record's.
	first := unit(namespace, records)
	if err := m.deploy(ctx, 1, first); err != nil {
		return err
	}
	pause(ctx, settleFor)
	heapBefore, err := m.heap(ctx)
	if err != nil {
		return err
	}
	before, err := m.counters(ctx)
	if err != nil {
		return err
	}
	writesBefore, err := p.recordWrites(ctx)
	if err != nil {
		return err
	}

	var took time.Duration
	err = step(ctx, s, fmt.Sprintf("deploying %d records", records), func(ctx context.Context) error {
		if s.keep != "" {
			go func() {
				if err := m.profile(ctx, filepath.Join(s.keep, namespace+".pprof"), profileFor); err != nil {
					// No reason to stop measuring.
					fmt.Fprintln(os.Stderr, "no profile:", err)
				}
			}()
		}
		begin := time.Now()
		err := m.deploy(ctx, s.clients, units(namespace, records)...)
		took = time.Since(begin)
		return err
	})
	if err != nil {
		return err
	}
	pause(ctx, settleFor)
	after, err := m.counters(ctx)
	if err != nil {
		return err
	}
	made := after.since(before)
	add("records to available", float64(records)/took.Seconds(), "1/s", "")
	writesAfter, err := p.recordWrites(ctx)
	if err != nil {
		return err
	}
	events, err := p.eventsOf(ctx, namespace)
	if err != nil {
		return err
	}
	writes := writesAfter - writesBefore
	add("writes to the API server per record", writes/float64(records), "writes", fmt.Sprintf("<= %d", childrenOfRecord+3))
	add("Events per record", float64(events)/float64(records), "writes", "")
	add("writes beside, for templates and environments", made.writes-writes-float64(events), "writes", "")
	add("passes per record", made.count/float64(records), "passes", "")
	add("p99 pass over a record", quantile(made, 0.99)*1000, "ms", "")

	if err := atRest(ctx, s, m, after, add); err != nil {
		return err
	}
	if err := unchanged(ctx, s, hub, m, records, add); err != nil {
		return err
	}
	// After that pass the program keeps all that it ever does of a record at rest.
	heapAfter, err := m.heap(ctx)
	if err != nil {
		return err
	}
	add("memory per record", float64(heapAfter-heapBefore)/float64(records)/kib, "KiB", "<= 60")
	if err := alone(ctx, s, hub, m, namespace, records+1, add); err != nil {
		return err
	}
	if err := repair(ctx, s, p, namespace, add); err != nil {
		return err
	}
	pattern, err := p.childrenOf(ctx, namespace, first.GetId())
	if err != nil {
		return err
	}
	if err := step(ctx, s, fmt.Sprintf("removing %d records", records), func(ctx context.Context) error {
		begin := time.Now()
		err := m.remove(ctx, s.clients, units(namespace, records)...)
		if err == nil {
			err = m.remove(ctx, 1, first)
		}
		if err == nil {
			add("records removed", float64(records)/time.Since(begin).Seconds(), "1/s", "")
		}
		return err
	}); err != nil {
		return err
	}
	return floor(ctx, s, p, namespace, floorNamespace, pattern, records, took, add)
}

// repair deletes Deployments of records. How soon they are there again is up to the
// runtime manager; how soon they are available, to the controllers of Kubernetes, for
// which the ReplicaSets of those that were deleted are in the way.
func repair(ctx context.Context, s settings, p *peer, namespace string, add addFigure) error {
	return step(ctx, s, fmt.Sprintf("repairing %d Deployments", s.repair), func(ctx context.Context) error {
		begin := time.Now()
		removed, err := p.removeDeployments(ctx, namespace, s.repair)
		if err != nil {
			return err
		}
		if err := p.awaitOthers(ctx, namespace, removed, func(*appsv1.Deployment) bool { return true }); err != nil {
			return err
		}
		add(fmt.Sprintf("repair of %d deleted Deployments", len(removed)), time.Since(begin).Seconds(), "s", "")
		if err := p.awaitOthers(ctx, namespace, removed, available); err != nil {
			return err
		}
		add(fmt.Sprintf("repair of %d deleted Deployments until they are available", len(removed)), time.Since(begin).Seconds(), "s", "")
		return nil
	})
}

// repairDirectly does to Deployments that nobody looks after what happened to those of
// records, and makes them again itself.
func repairDirectly(ctx context.Context, s settings, p *peer, namespace string, pattern children, records int, add addFigure) error {
	return step(ctx, s, fmt.Sprintf("making %d Deployments again directly", s.repair), func(ctx context.Context) error {
		begin := time.Now()
		removed, err := p.removeDeployments(ctx, namespace, s.repair)
		if err != nil {
			return err
		}
		again := each(ctx, records, p.clients, func(ctx context.Context, i int) error {
			for j := range pattern.deployments {
				if removed[floorName(i, j)] == "" {
					continue
				}
				if err := p.makeDeployment(ctx, namespace, pattern.deployment(i, j)); err != nil {
					return err
				}
			}
			return nil
		})
		if again != nil {
			return again
		}
		add(fmt.Sprintf("%d deleted Deployments made again directly", len(removed)), time.Since(begin).Seconds(), "s", "")
		if err := p.awaitOthers(ctx, namespace, removed, available); err != nil {
			return err
		}
		add(fmt.Sprintf("%d deleted Deployments made again directly until they are available", len(removed)), time.Since(begin).Seconds(), "s", "")
		return nil
	})
}

// warmUp does a little of both, so that neither is measured on a cluster that has just
// begun.
func warmUp(ctx context.Context, s settings, hub *cluster.Cluster, m *manager, p *peer) error {
	const namespace, floorNamespace, records = "crm-warm", "floor-warm", 20
	return step(ctx, s, "warming up", func(ctx context.Context) error {
		if err := makeNamespaces(ctx, p, namespace, floorNamespace); err != nil {
			return err
		}
		if err := touchEnvironment(ctx, hub, environment, 0); err != nil {
			return err
		}
		if err := m.deploy(ctx, s.clients, units(namespace, records)...); err != nil {
			return err
		}
		pattern, err := p.childrenOf(ctx, namespace, unit(namespace, 0).GetId())
		if err != nil {
			return err
		}
		if err := p.makeAll(ctx, floorNamespace, pattern, records); err != nil {
			return err
		}
		if err := m.remove(ctx, s.clients, units(namespace, records)...); err != nil {
			return err
		}
		return p.removeNamespaces(ctx, namespace, floorNamespace)
	})
}

type addFigure func(name string, value float64, unit, aim string)

// floor makes the same objects directly.
func floor(ctx context.Context, s settings, p *peer, namespace, floorNamespace string, pattern children, records int, took time.Duration, add addFigure) error {
	var floorTook time.Duration
	err := step(ctx, s, fmt.Sprintf("making the children of %d records directly", records), func(ctx context.Context) error {
		begin := time.Now()
		err := p.makeAll(ctx, floorNamespace, pattern, records)
		floorTook = time.Since(begin)
		return err
	})
	if err != nil {
		return err
	}
	add("the same children made directly", float64(records)/floorTook.Seconds(), "1/s", "")
	add("time to available, to that of the children made directly", took.Seconds()/floorTook.Seconds(), "ratio", "<= 1.5")
	if err := repairDirectly(ctx, s, p, floorNamespace, pattern, records, add); err != nil {
		return err
	}
	return step(ctx, s, "removing what was made", func(ctx context.Context) error {
		return p.removeNamespaces(ctx, namespace, floorNamespace)
	})
}

// atRest looks on while nothing is asked for.
func atRest(ctx context.Context, s settings, m *manager, before counters, add addFigure) error {
	return step(ctx, s, fmt.Sprintf("looking on for %s at rest", s.rest), func(ctx context.Context) error {
		pid := m.command.Process.Pid
		cpuBefore, err := scale.CPU(pid)
		if err != nil {
			return err
		}
		pause(ctx, s.rest)
		cpuAfter, err := scale.CPU(pid)
		if err != nil {
			return err
		}
		after, err := m.counters(ctx)
		if err != nil {
			return err
		}
		add("writes at rest", after.since(before).writes, "writes", "<= 0")
		add("processor at rest", 100*(cpuAfter-cpuBefore).Seconds()/s.rest.Seconds(), "%", "<= 1")
		return ctx.Err()
	})
}

// unchanged has every record looked at although nothing changed for it.
func unchanged(ctx context.Context, s settings, hub *cluster.Cluster, m *manager, records int, add addFigure) error {
	return step(ctx, s, "having every record looked at", func(ctx context.Context) error {
		before, err := m.counters(ctx)
		if err != nil {
			return err
		}
		if err := touchEnvironment(ctx, hub, environment, 1); err != nil {
			return err
		}
		var passed counters
		for deadline := time.Now().Add(2 * time.Minute); passed.count < float64(records); {
			if time.Now().After(deadline) {
				return fmt.Errorf("after 2 minutes %.0f of %d records were looked at", passed.count, records)
			}
			pause(ctx, 500*time.Millisecond)
			after, err := m.counters(ctx)
			if err != nil {
				return err
			}
			passed = after.since(before)
		}
		// The environment's own status is read and written, once.
		const ofTheEnvironment = 4
		add("pass over an unchanged record, all at once", 1000*passed.seconds/passed.count, "ms", "")
		add("requests per pass over an unchanged record", max(0, passed.reads+passed.writes-ofTheEnvironment)/passed.count, "requests", "<= 0")
		return ctx.Err()
	})
}

// alone has one record looked at again and again while nothing else is to be done, so
// that a pass does not wait for the processor that other passes have.
func alone(ctx context.Context, s settings, hub *cluster.Cluster, m *manager, namespace string, records int, add addFigure) error {
	const turns = 50
	return step(ctx, s, "having one record looked at", func(ctx context.Context) error {
		record := unit(namespace, records)
		record.Environment = "bench-alone"
		if err := touchEnvironment(ctx, hub, record.GetEnvironment(), 0); err != nil {
			return err
		}
		if err := m.deploy(ctx, 1, record); err != nil {
			return err
		}
		pause(ctx, settleFor)
		var total counters
		for turn := range turns {
			before, err := m.counters(ctx)
			if err != nil {
				return err
			}
			if err := touchEnvironment(ctx, hub, record.GetEnvironment(), turn+1); err != nil {
				return err
			}
			passed := counters{}
			for deadline := time.Now().Add(10 * time.Second); passed.count == 0; {
				if time.Now().After(deadline) {
					return fmt.Errorf("nobody looked at record %s", record.GetId())
				}
				pause(ctx, 50*time.Millisecond)
				after, err := m.counters(ctx)
				if err != nil {
					return err
				}
				passed = after.since(before)
			}
			total.count += passed.count
			total.seconds += passed.seconds
		}
		add("pass over an unchanged record, one at a time", 1000*total.seconds/total.count, "ms", "<= 1")
		return m.remove(ctx, 1, record)
	})
}

// quantile of the passes: the bound of the bucket in which it falls.
func quantile(c counters, q float64) float64 {
	for _, bound := range slices.Sorted(maps.Keys(c.passes)) {
		if c.passes[bound] >= q*c.count {
			return bound
		}
	}
	return 0
}

func pause(ctx context.Context, duration time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(duration):
	}
}
