// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"oaas.io/oaas/test/bench/measure"
	"oaas.io/oaas/test/bench/scale"
)

// verb is an operation that is measured.
type verb string

const (
	create verb = "create"
	get    verb = "get"
	patch  verb = "patch"
	remove verb = "delete"
	list   verb = "list"
)

// target is one way to the same kind of object.
type target struct {
	name      string
	group     string
	client    *rest.RESTClient
	latencies map[verb][]time.Duration
	// elapsed is the time that all requests of a verb took together, with
	// clients side by side.
	elapsed map[verb]time.Duration
}

// newTarget makes a client that sends and receives bytes, as both kinds are
// asked in JSON: decoding in the client would hide a part of the difference.
func newTarget(name, group string, config *rest.Config) (*target, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	// Printing thousands of them would be measured, too.
	config.WarningHandler = rest.NoWarnings{}
	config.APIPath = "/apis"
	config.GroupVersion = &schema.GroupVersion{Group: group, Version: peerVersion}
	config.NegotiatedSerializer = serializer.NewCodecFactory(runtime.NewScheme())
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("making a client of %s: %w", name, err)
	}
	return &target{
		name: name, group: group, client: client,
		latencies: map[verb][]time.Duration{}, elapsed: map[verb]time.Duration{},
	}, nil
}

// fill makes objects without measuring.
func (t *target) fill(ctx context.Context, clients, objects int) error {
	unmeasured := &target{name: t.name, group: t.group, client: t.client, latencies: map[verb][]time.Duration{}, elapsed: map[verb]time.Duration{}}
	return unmeasured.run(ctx, create, clients, 0, objects)
}

// run sends requests number first to last-1 of a verb from several clients.
func (t *target) run(ctx context.Context, v verb, clients, first, last int) error {
	took := make([]time.Duration, last-first)
	var next atomic.Int64
	next.Store(int64(first))
	group, ctx := errgroup.WithContext(ctx)
	begin := time.Now()
	for range clients {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= last {
					return nil
				}
				start := time.Now()
				if err := t.request(ctx, v, i); err != nil {
					return fmt.Errorf("%s: %s of object %d: %w", t.name, v, i, err)
				}
				took[i-first] = time.Since(start)
			}
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	t.elapsed[v] += time.Since(begin)
	t.latencies[v] = append(t.latencies[v], took...)
	return nil
}

func (t *target) request(ctx context.Context, v verb, i int) error {
	const namespace, resource = scale.Namespace, "packages"
	name := fmt.Sprintf("package-%05d", i)
	var request *rest.Request
	switch v {
	case create:
		request = t.client.Post().Body(packageJSON(t.group, name))
	case get:
		request = t.client.Get().Name(name)
	case patch:
		request = t.client.Patch(types.MergePatchType).Name(name).Body(fmt.Appendf(nil, `{"spec":{"description":"patched %d"}}`, i))
	case remove:
		request = t.client.Delete().Name(name)
	case list:
		request = t.client.Get()
	default:
		return errors.New("unknown verb")
	}
	_, err := request.Namespace(namespace).Resource(resource).DoRaw(ctx)
	return err
}

// rate is the number of requests of a verb per second.
func (t *target) rate(v verb) float64 {
	return float64(len(t.latencies[v])) / t.elapsed[v].Seconds()
}

// quantile of the latencies of a verb, in milliseconds.
func (t *target) quantile(v verb, q float64) float64 {
	return float64(measure.Quantile(t.latencies[v], q).Microseconds()) / 1000
}

// packageJSON is a package as users have them: two classes, three functions,
// about 1.5 kB. It depends on no other: a custom resource has no rule that would
// keep such a promise, and nothing to compare with.
func packageJSON(group, name string) []byte {
	return fmt.Appendf(nil, `{"apiVersion":"%s/%s","kind":"Package","metadata":{"name":"%s","labels":{"team":"retail","tier":"gold"}},`+
		`"spec":{"version":"1.2.0","author":"retail@example.com","description":"Carts, orders and what belongs to them","tags":["retail","cart","order"],`+
		`"classes":[{"key":"Cart","description":"What a customer wants to buy","stateSpec":{"keySpecs":[{"name":"items","type":"json"},{"name":"owner","type":"string"}],"consistencyModel":"Strong","persistent":true,"serializationFormat":"json"},`+
		`"functionBindings":[{"name":"add","functionKey":"Cart.add","accessModifier":"Public","parameters":["item","count"]},{"name":"remove","functionKey":"Cart.add","accessModifier":"Public"},{"name":"total","functionKey":"Cart.total","accessModifier":"Internal","stateless":true}]},`+
		`{"key":"Order","functionBindings":[{"name":"place","functionKey":"Order.place","accessModifier":"Public","triggerOnStateChange":true}],"options":{"audit":"yes"}}],`+
		`"functions":[{"key":"Cart.add","type":"Custom","provision":{"image":"registry.example/cart:1.0.0","port":8080,"resources":{"requests":{"cpu":"100m","memory":"64Mi"},"limits":{"memory":"128Mi"}},"minScale":1,"maxScale":10},"config":{"LOG":"info"}},`+
		`{"key":"Cart.total","type":"Custom","provision":{"image":"registry.example/total:1.0.0","port":8080}},`+
		`{"key":"Order.place","type":"Custom","provision":{"image":"registry.example/order:1.0.0","port":8080,"probes":{"readiness":{"path":"/readyz","periodSeconds":5,"timeoutSeconds":1,"failureThreshold":3}}}}]}}`,
		group, peerVersion, name)
}
