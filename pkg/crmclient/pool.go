// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crmclient

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// Change tells that something about a cluster is different: one of its records,
// or, without a DeploymentID, the link itself (made, lost, found again, breaker).
type Change struct {
	// Cluster that is concerned.
	Cluster string
	// DeploymentID of the record that changed or went away; empty for the link.
	DeploymentID string
	// Namespace and ClassDeployment name the owner of the record.
	Namespace, ClassDeployment string
}

// State is what the pool knows of a cluster.
type State struct {
	// Cluster is the name of the cluster.
	Cluster string
	// UID and Generation of the Cluster object that the link was last made sure of
	// with.
	UID        types.UID
	Generation int64
	// Link to the cluster; nil when it could not be set up.
	Link *Link
	// Err is what is wrong with the settings of the link. A link that was made
	// earlier may be in use nevertheless.
	Err error
	// Known is true once the cluster has told all its records over the link.
	Known bool
	// Stale is true while the cluster is out of contact.
	Stale bool
	// LastHeard is when contact over the link was last made; zero when it never
	// was. While a stream is open and silent it may lie back a long time, so it
	// means something only together with Stale.
	LastHeard time.Time
	// Since is when the link was made, or the first attempt to make one.
	Since time.Time
}

// Reliable is true when the records tell how things are now.
func (s State) Reliable() bool { return s.Link != nil && s.Known && !s.Stale }

// Pool holds the links to all clusters.
type Pool struct {
	opts     Options
	complete chan struct{}

	mu          sync.RWMutex
	clusters    map[string]*member
	subscribers map[*subscriber]struct{}
	completed   bool
	closed      bool
}

// member is a cluster that a link is wanted to.
type member struct {
	uid        types.UID
	generation int64
	link       *Link
	err        error
	since      time.Time
}

// subscriber is a type of its own because functions cannot be compared.
type subscriber struct {
	tell func(Change)
}

// NewPool returns a pool without links.
func NewPool(opts Options) *Pool {
	return &Pool{
		opts: opts.withDefaults(), complete: make(chan struct{}),
		clusters: map[string]*member{}, subscribers: map[*subscriber]struct{}{},
	}
}

// Subscribe has fn told about every change from now on, until unsubscribe is
// called. fn must not block, and may be told once more while unsubscribe runs.
// What is known already is not told: whoever subscribes looks at it afterwards.
func (p *Pool) Subscribe(fn func(Change)) (unsubscribe func()) {
	s := &subscriber{fn}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.subscribers[s] = struct{}{}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.subscribers, s)
	}
}

// SetComplete notes that the pool was told about every cluster that there is, so
// that a cluster that it does not know does not exist.
func (p *Pool) SetComplete() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.completed {
		p.completed = true
		close(p.complete)
	}
}

// Complete is closed once the pool was told about every cluster that there is.
func (p *Pool) Complete() <-chan struct{} { return p.complete }

// Ensure makes the link to a cluster, or makes it anew when the endpoint, the
// verification, the identity (the Secret's content included) or the bounds of
// calls changed. Calling it again is how a renewed Secret gets into use.
//
// When the Secret cannot be read, a link that exists stays in use. The error
// names the field to put right.
func (p *Pool) Ensure(ctx context.Context, cluster *pmv1alpha1.Cluster) (*Link, error) {
	wanted, err := newSettings(ctx, cluster, p.opts.Secrets)
	link, replaced, news, err := p.update(cluster, wanted, err)
	if replaced != nil {
		replaced.close()
	}
	if news {
		p.publish(Change{Cluster: cluster.Name})
	}
	return link, err
}

// update takes over the settings of a cluster, or what is wrong with them. news
// is true when the cluster's State differs afterwards.
func (p *Pool) update(cluster *pmv1alpha1.Cluster, wanted settings, wrong error) (link, replaced *Link, news bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, false, fmt.Errorf("cluster %s: the pool is closed: %w", cluster.Name, ErrNoLink)
	}
	m := p.clusters[cluster.Name]
	if m == nil {
		m = &member{since: p.opts.Clock.Now()}
		p.clusters[cluster.Name] = m
		news = true
	}
	before := *m
	m.uid, m.generation = cluster.UID, cluster.Generation
	m.link, m.err = p.relink(m.link, cluster, wanted, wrong)
	if m.link != before.link {
		replaced = before.link
		m.since = p.opts.Clock.Now()
	}
	news = news || m.link != before.link || m.uid != before.uid || m.generation != before.generation || message(m.err) != message(before.err)
	return m.link, replaced, news, m.err
}

// relink returns the link to use from now on: the present one where it will do.
func (p *Pool) relink(present *Link, cluster *pmv1alpha1.Cluster, wanted settings, wrong error) (*Link, error) {
	if wrong != nil {
		if present != nil && present.settings.Endpoint == cluster.Spec.Endpoint {
			return present, wrong
		}
		return nil, wrong
	}
	fingerprint, err := wanted.fingerprint()
	if err != nil {
		return nil, err
	}
	if present != nil && present.fingerprint == fingerprint {
		return present, nil
	}
	return newLink(cluster.Name, fingerprint, wanted, p.opts, p.publish)
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Get returns the link to a cluster.
func (p *Pool) Get(cluster string) (*Link, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	m := p.clusters[cluster]
	if m == nil || m.link == nil {
		return nil, false
	}
	return m.link, true
}

// State tells what is known of a cluster, without asking it. ok is false for a
// cluster that the pool was not told about.
func (p *Pool) State(cluster string) (state State, ok bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	m := p.clusters[cluster]
	if m == nil {
		return State{}, false
	}
	return m.state(cluster), true
}

// States tells what is known of all clusters, ordered by name.
func (p *Pool) States() []State {
	p.mu.RLock()
	defer p.mu.RUnlock()
	states := make([]State, 0, len(p.clusters))
	for _, name := range slices.Sorted(maps.Keys(p.clusters)) {
		states = append(states, p.clusters[name].state(name))
	}
	return states
}

func (m *member) state(name string) State {
	state := State{Cluster: name, UID: m.uid, Generation: m.generation, Link: m.link, Err: m.err, Since: m.since}
	if m.link != nil {
		state.Known, state.Stale, state.LastHeard = m.link.records.contact()
	}
	return state
}

// Render asks a cluster what it would make of a unit, and changes nothing.
func (p *Pool) Render(ctx context.Context, cluster string, unit *deploymentv1.DeploymentUnit) (*deploymentv1.RenderDeploymentResponse, error) {
	link, ok := p.Get(cluster)
	if !ok {
		return nil, NoLink(cluster, "RenderDeployment")
	}
	return link.Render(ctx, unit)
}

// Remove closes the link to a cluster that went away.
func (p *Pool) Remove(cluster string) {
	p.mu.Lock()
	m := p.clusters[cluster]
	delete(p.clusters, cluster)
	p.mu.Unlock()
	if m == nil {
		return
	}
	if m.link != nil {
		m.link.close()
	}
	p.publish(Change{Cluster: cluster})
}

// Close closes all links. The pool makes none afterwards, and tells nothing. What
// was known of the clusters stays: they did not go away.
func (p *Pool) Close() {
	p.mu.Lock()
	var links []*Link
	for _, m := range p.clusters {
		if m.link != nil && !p.closed {
			links = append(links, m.link)
		}
	}
	p.subscribers = map[*subscriber]struct{}{}
	p.closed = true
	p.mu.Unlock()
	for _, link := range links {
		link.close()
	}
}

func (p *Pool) publish(change Change) {
	p.mu.RLock()
	told := slices.Collect(maps.Keys(p.subscribers))
	p.mu.RUnlock()
	for _, s := range told {
		s.tell(change)
	}
}
