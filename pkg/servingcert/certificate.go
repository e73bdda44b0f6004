// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package servingcert keeps a server's serving certificate and what the cluster's
// API server trusts, the caBundle of a registration, in agreement.
//
// The server is its own certificate authority. The authority is in a Secret that
// all replicas share; the certificates that it signs stay in the memory of the
// replica that serves them. When an authority comes of age, another one is
// stored beside it, then published in the registration, and only then used; the
// old one stays trusted until its certificates are gone. Every replica does the
// same, without a leader: whoever loses a write reads what the winner wrote.
package servingcert

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

const (
	// CertificatesKey is where the Secret has the certificates of all authorities
	// that are trusted, PEM, the newest first.
	CertificatesKey = "ca.crt"
	// KeysKey is where the Secret has the private keys of those that sign, PEM.
	KeysKey = "ca.key"

	// CheckName is the name of the readiness check.
	CheckName = "serving-certificate"
)

// ErrNotIssued is why a server is not ready at its very beginning.
var ErrNotIssued = errors.New("no serving certificate has been issued yet")

// Registration is where the cluster's API server reads whom to trust: an
// APIService, or the configuration of webhooks.
type Registration interface {
	// String names it in messages.
	String() string
	// Read returns what is published now; nil where nothing is to be published.
	Read(ctx context.Context) (*Published, error)
	// Watch tells of changes until ctx ends.
	Watch(ctx context.Context, changed func())
}

// Published is what a registration says.
type Published struct {
	// Authorities that are trusted, PEM.
	Authorities []byte
	// Wrong registrations are published anew even though the authorities are right.
	Wrong bool
	// Publish replaces the authorities. It fails with a conflict where the
	// registration was changed after it was read.
	Publish func(ctx context.Context, authorities []byte) error
}

// Config is what a Certificate is made of.
type Config struct {
	// Client reaches the cluster that has the Secret.
	Client kubernetes.Interface
	// Namespace and Secret are where the certificate authorities are. Deleting the
	// Secret makes the server use another authority, without an interruption.
	Namespace, Secret string
	// Name of the server, for people who look at its authorities.
	Name string
	// Hosts are the DNS names and addresses under which the API server calls the
	// server, the most usual one first.
	Hosts []string
	// Registration is what the authorities are published in.
	Registration Registration
	// FieldManager owns the content of the Secret.
	FieldManager string
	// Fallback is served, PEM, as long as no certificate could be issued; nil serves
	// nothing.
	Fallback func() (cert, key []byte)
	// Lifetimes of authorities and certificates.
	Lifetimes Lifetimes
	// Clock defaults to the real one.
	Clock clock.Clock
}

// Certificate is the serving certificate of one replica.
type Certificate struct {
	config Config
	lives  Lifetimes
	clock  clock.Clock

	// syncing is held while the cluster is looked at. It guards publishedSince.
	syncing sync.Mutex
	// publishedSince says since when this replica has seen an authority in the
	// registration.
	publishedSince map[string]time.Time

	mu        sync.RWMutex
	served    *served
	trouble   error
	listeners []func()
}

// New returns a certificate that RunOnce and Run issue and renew.
func New(config Config) *Certificate {
	if config.Clock == nil {
		config.Clock = clock.RealClock{}
	}
	return &Certificate{
		config: config, lives: config.Lifetimes.withDefaults(), clock: config.Clock, publishedSince: map[string]time.Time{},
	}
}

// Name identifies the certificate in logs and, as a check, in /readyz.
func (c *Certificate) Name() string { return CheckName }

// CurrentCertKeyContent returns what is to be served, PEM.
func (c *Certificate) CurrentCertKeyContent() (cert, key []byte) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.served == nil {
		if c.config.Fallback == nil {
			return nil, nil
		}
		return c.config.Fallback()
	}
	return c.served.Cert, c.served.Key
}

// GetCertificate serves the certificate, as a tls.Config asks for it.
func (c *Certificate) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(c.CurrentCertKeyContent())
	if err != nil {
		return nil, errors.Join(c.Check(nil), err)
	}
	return &pair, nil
}

// OnChange adds what is called, without waiting, when the certificate changes.
func (c *Certificate) OnChange(changed func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners = append(c.listeners, changed)
}

// Check says why there is no certificate that kube-apiserver could trust.
func (c *Certificate) Check(*http.Request) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	switch {
	case c.served == nil && c.trouble != nil:
		return fmt.Errorf("%w: %w", ErrNotIssued, c.trouble)
	case c.served == nil:
		return ErrNotIssued
	case !c.clock.Now().Before(c.served.cert.NotAfter):
		return errors.Join(fmt.Errorf("the serving certificate ended at %s", c.served.cert.NotAfter.UTC().Format(time.RFC3339)), c.trouble)
	}
	return nil
}

// sync brings Secret, registration and served certificate into agreement, and
// returns when to look again.
func (c *Certificate) sync(ctx context.Context) (time.Duration, error) {
	c.syncing.Lock()
	defer c.syncing.Unlock()
	again, err := c.agree(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trouble = err
	return again, err
}

func (c *Certificate) agree(ctx context.Context) (time.Duration, error) {
	registration, err := c.config.Registration.Read(ctx)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", c.config.Registration, err)
	}
	trusted, err := c.authorities(ctx, registration)
	if err != nil {
		return 0, err
	}
	// A certificate is issued before its authority is published only where
	// nothing else could be served; then waiting would help nobody.
	publishing := c.publish(ctx, registration, trusted)
	next, found := trusted.signer(c.settled)
	if !found {
		return 0, errors.Join(errors.New("no certificate authority has a key"), publishing)
	}
	if !c.current().good(c.clock.Now(), c.lives, trusted, next, c.settled) {
		if err := c.issue(ctx, next); err != nil {
			return 0, errors.Join(err, publishing)
		}
	}
	return c.lookAgain(trusted), publishing
}

// authorities returns what is stored, after it was brought up to date.
func (c *Certificate) authorities(ctx context.Context, registration *Published) (authorities, error) {
	secrets := c.config.Client.CoreV1().Secrets(c.config.Namespace)
	stored, err := secrets.Get(ctx, c.config.Secret, metav1.GetOptions{})
	absent := apierrors.IsNotFound(err)
	if err != nil && !absent {
		return nil, fmt.Errorf("read Secret %s/%s: %w", c.config.Namespace, c.config.Secret, err)
	}
	if absent {
		stored = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Namespace: c.config.Namespace, Name: c.config.Secret, Labels: map[string]string{"app.kubernetes.io/part-of": "oaas"},
		}}
	}
	have := parseAuthorities(stored.Data[CertificatesKey], stored.Data[KeysKey])
	want, err := c.wanted(have, registration)
	if err != nil {
		return nil, err
	}
	certs, keys := want.encode()
	if have.equal(want) && bytes.Equal(stored.Data[CertificatesKey], certs) {
		return want, nil
	}
	stored.Data = map[string][]byte{CertificatesKey: certs, KeysKey: keys}
	if absent {
		_, err = secrets.Create(ctx, stored, metav1.CreateOptions{FieldManager: c.config.FieldManager})
	} else {
		_, err = secrets.Update(ctx, stored, metav1.UpdateOptions{FieldManager: c.config.FieldManager})
	}
	if err != nil {
		return nil, fmt.Errorf("store the certificate authorities in Secret %s/%s: %w", c.config.Namespace, c.config.Secret, err)
	}
	klog.FromContext(ctx).Info("Stored certificate authorities", "secret", klog.KRef(c.config.Namespace, c.config.Secret),
		"before", len(have), "after", len(want))
	return want, nil
}

func (c *Certificate) wanted(have authorities, registration *Published) (authorities, error) {
	now := c.clock.Now()
	var inUse *authority
	if current := c.current(); current != nil {
		// Without its key: if that is not in the Secret, somebody took it away.
		inUse = &authority{cert: current.issuer.cert}
	}
	published := func(authority) bool { return true }
	if registration != nil {
		published = parseAuthorities(registration.Authorities, nil).has
	}
	want := have.kept(now, c.lives, inUse, published)
	if !want.needsNew(now, c.lives) {
		return want, nil
	}
	made, err := newAuthority(c.config.Name, now, c.lives)
	if err != nil {
		return nil, err
	}
	return want.with(made), nil
}

// publish puts the authorities into the registration, and remembers since when
// each is there.
func (c *Certificate) publish(ctx context.Context, registration *Published, trusted authorities) error {
	since := map[string]time.Time{}
	defer func() { c.publishedSince = since }()
	if registration == nil {
		return nil
	}
	bundle, _ := trusted.encode()
	if registration.Wrong || !bytes.Equal(registration.Authorities, bundle) {
		if err := registration.Publish(ctx, bundle); err != nil {
			return fmt.Errorf("publish the certificate authorities in %s: %w", c.config.Registration, err)
		}
		klog.FromContext(ctx).Info("Published certificate authorities", "registration", c.config.Registration.String(), "count", len(trusted))
	}
	now := c.clock.Now()
	for _, a := range trusted {
		id := string(a.cert.Raw)
		since[id] = now
		if before, seen := c.publishedSince[id]; seen {
			since[id] = before
		}
	}
	return nil
}

// settled says whether everybody trusts an authority by now.
func (c *Certificate) settled(a authority) bool {
	since, published := c.publishedSince[string(a.cert.Raw)]
	return published && c.clock.Since(since) >= c.lives.Settle
}

func (c *Certificate) current() *served {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.served
}

// issue replaces what is served, from the next connection on.
func (c *Certificate) issue(ctx context.Context, by authority) error {
	made, err := by.issue(c.config.Hosts[0], c.config.Hosts, c.clock.Now(), c.lives)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.served = made
	listeners := slices.Clone(c.listeners)
	c.mu.Unlock()
	for _, listener := range listeners {
		listener()
	}
	klog.FromContext(ctx).Info("Issued a serving certificate", "authority", by.cert.Subject.CommonName, "ends", made.cert.NotAfter)
	return nil
}

// lookAgain returns when something is due at the latest.
func (c *Certificate) lookAgain(trusted authorities) time.Duration {
	again := lookEvery
	for _, a := range trusted {
		if since, published := c.publishedSince[string(a.cert.Raw)]; published {
			if left := c.lives.Settle - c.clock.Since(since); left > 0 {
				again = min(again, left)
			}
		}
	}
	return again
}
