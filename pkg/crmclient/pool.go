// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crmclient

import (
	"context"
	"fmt"
	"sync"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
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

// Pool holds the links to all clusters.
type Pool struct {
	opts Options

	mu          sync.RWMutex
	links       map[string]*Link
	subscribers []func(Change)
	closed      bool
}

// NewPool returns a pool without links.
func NewPool(opts Options) *Pool {
	return &Pool{opts: opts.withDefaults(), links: map[string]*Link{}}
}

// Subscribe has fn told about every change from now on. fn must not block.
func (p *Pool) Subscribe(fn func(Change)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.subscribers = append(p.subscribers, fn)
}

// Ensure makes the link to a cluster, or makes it anew when the endpoint, the
// verification, the identity (the Secret's content included) or the bounds of
// calls changed. Calling it again is how a renewed Secret gets into use.
//
// When the Secret cannot be read, a link that exists stays in use. The error
// names the field to put right.
func (p *Pool) Ensure(ctx context.Context, cluster *pmv1alpha1.Cluster) (*Link, error) {
	wanted, err := newSettings(ctx, cluster, p.opts.Secrets)
	if err != nil {
		if link, ok := p.Get(cluster.Name); ok && link.settings.Endpoint == cluster.Spec.Endpoint {
			return link, err
		}
		p.Remove(cluster.Name)
		return nil, err
	}
	fingerprint, err := wanted.fingerprint()
	if err != nil {
		return nil, err
	}
	link, previous, created, err := p.ensure(cluster.Name, fingerprint, wanted)
	if previous != nil {
		previous.close()
	}
	if created || previous != nil {
		p.publish(Change{Cluster: cluster.Name})
	}
	if err != nil {
		return nil, err
	}
	return link, nil
}

// ensure returns the link for the settings, and the link that it replaced.
func (p *Pool) ensure(name, fingerprint string, wanted settings) (link, previous *Link, created bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, false, fmt.Errorf("cluster %s: the pool is closed: %w", name, ErrNoLink)
	}
	existing := p.links[name]
	if existing != nil && existing.fingerprint == fingerprint {
		return existing, nil, false, nil
	}
	delete(p.links, name)
	link, err = newLink(name, fingerprint, wanted, p.opts, p.publish)
	if err != nil {
		return nil, existing, false, err
	}
	p.links[name] = link
	return link, existing, true, nil
}

// Get returns the link to a cluster.
func (p *Pool) Get(cluster string) (*Link, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	link, ok := p.links[cluster]
	return link, ok
}

// Remove closes the link to a cluster that went away.
func (p *Pool) Remove(cluster string) {
	p.mu.Lock()
	link := p.links[cluster]
	delete(p.links, cluster)
	p.mu.Unlock()
	if link != nil {
		link.close()
		p.publish(Change{Cluster: cluster})
	}
}

// Close closes all links. The pool makes none afterwards.
func (p *Pool) Close() {
	p.mu.Lock()
	links := p.links
	p.links = map[string]*Link{}
	p.closed = true
	p.mu.Unlock()
	for _, link := range links {
		link.close()
	}
}

func (p *Pool) publish(change Change) {
	p.mu.RLock()
	subscribers := p.subscribers
	p.mu.RUnlock()
	for _, tell := range subscribers {
		tell(change)
	}
}
