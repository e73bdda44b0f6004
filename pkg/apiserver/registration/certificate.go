// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package registration keeps the server's serving certificate and what
// kube-apiserver trusts, the caBundle of the APIService, in agreement.
//
// The server is its own certificate authority. The authority is in a Secret that
// all replicas share; the certificates that it signs stay in the memory of the
// replica that serves them. When an authority comes of age, another one is
// stored beside it, then published in the APIService, and only then used; the
// old one stays trusted until its certificates are gone. Every replica does the
// same, without a leader: whoever loses a write reads what the winner wrote.
//
// The APIService itself is never made here. Who deletes it takes the API out of
// the cluster, and it stays out.
package registration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	apiregistrationclient "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset/typed/apiregistration/v1"
	"k8s.io/utils/clock"
)

const (
	// SecretName is the Secret with the certificate authorities, in the namespace
	// of the Service. Deleting it makes the server use another authority, without
	// an interruption.
	SecretName = "oaas-apiserver-authority"
	// CertificatesKey is where the Secret has the certificates of all authorities
	// that are trusted, PEM, the newest first.
	CertificatesKey = "ca.crt"
	// KeysKey is where the Secret has the private keys of those that sign, PEM.
	KeysKey = "ca.key"

	// CheckName is the name of the readiness check.
	CheckName = "serving-certificate"

	fieldManager = "oaas-apiserver"
)

// errNotIssued is why a server is not ready at its very beginning.
var errNotIssued = errors.New("no serving certificate has been issued yet")

// Config is what a Certificate is made of.
type Config struct {
	// Client reaches the cluster that hosts the server.
	Client kubernetes.Interface
	// Registrations are that cluster's APIServices.
	Registrations apiregistrationclient.APIServiceInterface
	// APIService is the name of the server's own.
	APIService string
	// Namespace and Service are what the APIService leads to.
	Namespace, Service string
	// Fallback is served as long as no certificate could be issued, so that probes
	// and the server's own clients are answered.
	Fallback dynamiccertificates.CertKeyContentProvider
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
	listeners []dynamiccertificates.Listener
}

var (
	_ dynamiccertificates.CertKeyContentProvider = (*Certificate)(nil)
	_ dynamiccertificates.ControllerRunner       = (*Certificate)(nil)
)

// New returns a certificate that RunOnce and Run, which the server's listener
// calls, issue and renew.
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
		return c.config.Fallback.CurrentCertKeyContent()
	}
	return c.served.Cert, c.served.Key
}

// AddListener adds who is told when the certificate changes.
func (c *Certificate) AddListener(listener dynamiccertificates.Listener) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners = append(c.listeners, listener)
}

// Check says why there is no certificate that kube-apiserver could trust.
func (c *Certificate) Check(*http.Request) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	switch {
	case c.served == nil && c.trouble != nil:
		return fmt.Errorf("%w: %w", errNotIssued, c.trouble)
	case c.served == nil:
		return errNotIssued
	case !c.clock.Now().Before(c.served.cert.NotAfter):
		return fmt.Errorf("the serving certificate ended at %s and could not be renewed: %w",
			c.served.cert.NotAfter.UTC().Format(time.RFC3339), c.trouble)
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
	registration, err := c.registration(ctx)
	if err != nil {
		return 0, err
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

// registration returns the server's APIService; nil when there is none or it
// leads to another server, which has authorities of its own.
func (c *Certificate) registration(ctx context.Context) (*apiregistrationv1.APIService, error) {
	found, err := c.config.Registrations.Get(ctx, c.config.APIService, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read APIService %s: %w", c.config.APIService, err)
	}
	if service := found.Spec.Service; service == nil || service.Namespace != c.config.Namespace || service.Name != c.config.Service {
		return nil, nil
	}
	return found, nil
}

// authorities returns what is stored, after it was brought up to date.
func (c *Certificate) authorities(ctx context.Context, registration *apiregistrationv1.APIService) (authorities, error) {
	secrets := c.config.Client.CoreV1().Secrets(c.config.Namespace)
	stored, err := secrets.Get(ctx, SecretName, metav1.GetOptions{})
	absent := apierrors.IsNotFound(err)
	if err != nil && !absent {
		return nil, fmt.Errorf("read Secret %s/%s: %w", c.config.Namespace, SecretName, err)
	}
	if absent {
		stored = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Namespace: c.config.Namespace, Name: SecretName, Labels: map[string]string{"app.kubernetes.io/part-of": "oaas"},
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
		_, err = secrets.Create(ctx, stored, metav1.CreateOptions{FieldManager: fieldManager})
	} else {
		_, err = secrets.Update(ctx, stored, metav1.UpdateOptions{FieldManager: fieldManager})
	}
	if err != nil {
		return nil, fmt.Errorf("store the certificate authorities in Secret %s/%s: %w", c.config.Namespace, SecretName, err)
	}
	klog.FromContext(ctx).Info("Stored certificate authorities", "secret", klog.KRef(c.config.Namespace, SecretName),
		"before", len(have), "after", len(want))
	return want, nil
}

func (c *Certificate) wanted(have authorities, registration *apiregistrationv1.APIService) (authorities, error) {
	now := c.clock.Now()
	var inUse *authority
	if current := c.current(); current != nil {
		// Without its key: if that is not in the Secret, somebody took it away.
		inUse = &authority{cert: current.issuer.cert}
	}
	published := func(authority) bool { return true }
	if registration != nil {
		published = parseAuthorities(registration.Spec.CABundle, nil).has
	}
	want := have.kept(now, c.lives, inUse, published)
	if !want.needsNew(now, c.lives) {
		return want, nil
	}
	made, err := newAuthority(c.config.Service, now, c.lives)
	if err != nil {
		return nil, err
	}
	return want.with(made), nil
}

// publish puts the authorities into the registration, and remembers since when
// each is there.
func (c *Certificate) publish(ctx context.Context, registration *apiregistrationv1.APIService, trusted authorities) error {
	since := map[string]time.Time{}
	defer func() { c.publishedSince = since }()
	if registration == nil {
		return nil
	}
	bundle, _ := trusted.encode()
	if registration.Spec.InsecureSkipTLSVerify || !bytes.Equal(registration.Spec.CABundle, bundle) {
		registration.Spec.InsecureSkipTLSVerify = false
		registration.Spec.CABundle = bundle
		if _, err := c.config.Registrations.Update(ctx, registration, metav1.UpdateOptions{FieldManager: fieldManager}); err != nil {
			return fmt.Errorf("publish the certificate authorities in APIService %s: %w", c.config.APIService, err)
		}
		klog.FromContext(ctx).Info("Published certificate authorities", "apiService", c.config.APIService, "count", len(trusted))
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
	hosts := []string{
		c.config.Service + "." + c.config.Namespace + ".svc", c.config.Service + "." + c.config.Namespace, c.config.Service,
		// Probes and port-forwards.
		"localhost", "127.0.0.1", "::1",
	}
	made, err := by.issue(hosts[0], hosts, c.clock.Now(), c.lives)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.served = made
	for _, listener := range c.listeners {
		listener.Enqueue()
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
