// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"oaas.io/oaas/hack/localcluster/cluster"
	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/hack/localcluster/progress"
	"oaas.io/oaas/test/bench/report"
)

func requests(ctx context.Context, s settings, hub *cluster.Cluster, running *platform.Platform, steps progress.Reporter, figures *report.Report) (err error) {
	through, direct, err := prepare(ctx, hub, running)
	if err != nil {
		return err
	}
	crd, err := newTarget("crd", peerGroup, through)
	if err != nil {
		return err
	}
	aggregated, err := newTarget("aggregated", "pm.oaas.io", through)
	if err != nil {
		return err
	}
	// Who does not come through kube-apiserver has yet to be authorized: members of
	// the administrators' group at once, everybody else by a review for each new
	// combination of user, verb and object.
	administrator, err := running.Direct(ctx, platform.PackageManager, hub.RESTConfig())
	if err != nil {
		return err
	}
	straight, err := newTarget("direct", "pm.oaas.io", administrator)
	if err != nil {
		return err
	}
	reviewed, err := newTarget("direct with review", "pm.oaas.io", direct)
	if err != nil {
		return err
	}
	end := steps.Begin(fmt.Sprintf("sending requests for %d objects of each kind", s.objects))
	err = takeTurns(ctx, s, crd, aggregated, straight, reviewed)
	end(err)
	if err != nil {
		return err
	}
	aims := map[verb]string{create: ">= 1", get: ">= 0.8", list: ">= 1.5", patch: ">= 1", remove: ">= 0.95"}
	for _, v := range []verb{create, get, list, patch, remove} {
		for _, t := range []*target{crd, aggregated, straight, reviewed} {
			figures.Add(fmt.Sprintf("%s, %s", v, t.name), t.rate(v), "1/s", "")
			figures.Add(fmt.Sprintf("%s, %s, p50", v, t.name), t.quantile(v, 0.5), "ms", "")
			figures.Add(fmt.Sprintf("%s, %s, p99", v, t.name), t.quantile(v, 0.99), "ms", "")
		}
		figures.Add(fmt.Sprintf("%s, aggregated to crd", v), aggregated.rate(v)/crd.rate(v), "ratio", aims[v])
		figures.Add(fmt.Sprintf("%s, direct to crd", v), straight.rate(v)/crd.rate(v), "ratio", ">= 1.5")
		figures.Add(fmt.Sprintf("%s, direct with review to crd", v), reviewed.rate(v)/crd.rate(v), "ratio", "")
	}
	return nil
}

// takeTurns lets the ways take turns. Three of them lead to the same objects, so
// each makes and deletes its share of them before the next one's turn.
func takeTurns(ctx context.Context, s settings, crd, aggregated, direct, reviewed *target) error {
	everyWay := []*target{crd, aggregated, direct, reviewed}
	turns := func(targets []*target, verbs ...verb) error {
		for round := range s.rounds {
			first, last := s.objects*round/s.rounds, s.objects*(round+1)/s.rounds
			for i := range targets {
				// Whoever comes first in a turn finds the machine in another state.
				t := targets[(i+round)%len(targets)]
				for _, v := range verbs {
					if err := t.run(ctx, v, s.clients, first, last); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}
	lists := func() error {
		for range s.lists {
			for _, t := range everyWay {
				if err := t.run(ctx, list, 1, 0, 1); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, step := range []func() error{
		func() error { return turns(everyWay, create, remove) },
		// What is read and patched, made by nobody's account.
		func() error {
			return errors.Join(crd.fill(ctx, s.clients, s.objects), aggregated.fill(ctx, s.clients, s.objects))
		},
		func() error { return turns(everyWay, get) },
		lists,
		func() error { return turns(everyWay, patch) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
