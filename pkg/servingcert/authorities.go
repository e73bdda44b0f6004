// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package servingcert

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"time"

	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"

	"oaas.io/oaas/pkg/pki"
)

// Lifetimes say how long things last. The zero value of a field is its default.
type Lifetimes struct {
	// Authority is the life of a certificate authority. Another one is made when a
	// third of it is left. Defaults to one year.
	Authority time.Duration
	// Certificate is the life of a serving certificate, which each replica renews
	// when a third of it is left. Much shorter than an authority's. Defaults to
	// 30 days.
	Certificate time.Duration
	// Settle is how long an authority has been in the registration before
	// certificates that it signed are served: kube-apiserver's replicas hear of a
	// change by a watch. Defaults to 15 s.
	Settle time.Duration
}

func (l Lifetimes) withDefaults() Lifetimes {
	if l.Authority == 0 {
		l.Authority = 365 * 24 * time.Hour
	}
	if l.Certificate == 0 {
		l.Certificate = 30 * 24 * time.Hour
	}
	if l.Settle == 0 {
		l.Settle = 15 * time.Second
	}
	return l
}

// authority is one whose certificates are trusted.
type authority struct {
	cert *x509.Certificate
	// signer is nil when the key is not known any more: then the authority is
	// trusted and signs nothing.
	signer *pki.Authority
}

func (a authority) is(other authority) bool { return a.cert.Equal(other.cert) }

// authorities are in the order in which they were made, the newest first.
type authorities []authority

// parseAuthorities reads what encode wrote. What it cannot read it leaves out:
// a Secret that somebody damaged is replaced rather than obeyed.
func parseAuthorities(certs, keys []byte) authorities {
	var list authorities
	for _, block := range pemBlocks(certs) {
		parsed, err := certutil.ParseCertsPEM(block)
		if err != nil || !parsed[0].IsCA {
			continue
		}
		one := authority{cert: parsed[0]}
		for _, key := range pemBlocks(keys) {
			if fits(key, one.cert) {
				// Parsed and matched: there is nothing left that could fail.
				one.signer, _ = pki.ParseAuthority(pki.Pair{Cert: block, Key: key})
			}
		}
		list = list.with(one)
	}
	return list
}

func fits(key []byte, cert *x509.Certificate) bool {
	parsed, err := keyutil.ParsePrivateKeyPEM(key)
	if err != nil {
		return false
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return false
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(cert.PublicKey)
}

func pemBlocks(content []byte) [][]byte {
	var blocks [][]byte
	for {
		block, rest := pem.Decode(content)
		if block == nil {
			return blocks
		}
		blocks = append(blocks, pem.EncodeToMemory(block))
		content = rest
	}
}

// encode returns the certificates, which are what the registration holds, and
// the keys, both PEM.
func (l authorities) encode() (certs, keys []byte) {
	for _, a := range l {
		certs = append(certs, certPEM(a.cert)...)
		if a.signer != nil {
			keys = append(keys, a.signer.Key...)
		}
	}
	return certs, keys
}

func certPEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certutil.CertificateBlockType, Bytes: cert.Raw})
}

// with returns the list with one more authority in its place.
func (l authorities) with(a authority) authorities {
	if l.has(a) {
		return l
	}
	list := append(slices.Clone(l), a)
	slices.SortStableFunc(list, func(a, b authority) int {
		if order := b.cert.NotBefore.Compare(a.cert.NotBefore); order != 0 {
			return order
		}
		// Made within the same second: any order, but the same for all replicas.
		return bytes.Compare(a.cert.Raw, b.cert.Raw)
	})
	return list
}

func (l authorities) has(a authority) bool { return slices.ContainsFunc(l, a.is) }

// equal is true for lists that are stored as the same.
func (l authorities) equal(other authorities) bool {
	return slices.EqualFunc(l, other, func(a, b authority) bool {
		return a.is(b) && (a.signer == nil) == (b.signer == nil)
	})
}

// kept returns the authorities that are still needed. inUse is the one that
// signed what this replica serves; published says whether the registration holds
// one.
//
// One whose successor is published goes when every certificate that it signed
// has ended: replicas that know of the successor let it sign, and those that
// were cut off serve nothing that is older than a certificate may be.
func (l authorities) kept(now time.Time, lives Lifetimes, inUse *authority, published func(authority) bool) authorities {
	if inUse != nil {
		l = l.with(*inUse)
	}
	var list authorities
	succeeded := false
	for _, a := range l {
		current := now.Before(a.cert.NotAfter)
		if current && (!succeeded || inUse != nil && a.is(*inUse)) {
			list = append(list, a)
		}
		if current && a.signer != nil && published(a) && now.After(a.signer.Made().Add(lives.Certificate+lives.Settle)) {
			succeeded = true
		}
	}
	return list
}

// needsNew says whether another authority has to be made.
func (l authorities) needsNew(now time.Time, lives Lifetimes) bool {
	newest := slices.IndexFunc(l, func(a authority) bool { return a.signer != nil })
	return newest < 0 || l[newest].cert.NotAfter.Sub(now) < lives.Authority/3
}

func newAuthority(service string, now time.Time, lives Lifetimes) (authority, error) {
	// The time makes the subjects differ, which tells people the two apart.
	made, err := pki.NewAuthority(fmt.Sprintf("%s@%d", service, now.Unix()), now, lives.Authority)
	if err != nil {
		return authority{}, err
	}
	parsed, err := certutil.ParseCertsPEM(made.Cert)
	if err != nil {
		return authority{}, fmt.Errorf("reading a new certificate authority: %w", err)
	}
	return authority{cert: parsed[0], signer: made}, nil
}

// signer returns the newest authority that everybody trusts by now, or else the
// oldest, which has had most time to be trusted.
func (l authorities) signer(settled func(authority) bool) (authority, bool) {
	var chosen authority
	for _, a := range l {
		if a.signer == nil {
			continue
		}
		chosen = a
		if settled(a) {
			break
		}
	}
	return chosen, chosen.signer != nil
}

// served is a certificate that is in use.
type served struct {
	pki.Pair

	cert   *x509.Certificate
	issuer authority
}

// good says whether the certificate may be served on, beside the authority that
// would sign the next one.
func (s *served) good(now time.Time, lives Lifetimes, trusted authorities, next authority, settled func(authority) bool) bool {
	switch {
	case s == nil, !trusted.has(s.issuer):
		return false
	case !s.issuer.is(next) && settled(next):
		return false
	}
	return now.Before(s.cert.NotAfter.Add(-lives.Certificate / 3))
}

// issue signs a certificate for a server.
func (a authority) issue(user string, hosts []string, now time.Time, lives Lifetimes) (*served, error) {
	pair, err := a.signer.Issue(pki.Request{User: user, Hosts: hosts, Lifetime: lives.Certificate}, now)
	if err != nil {
		return nil, err
	}
	parsed, err := certutil.ParseCertsPEM(pair.Cert)
	if err != nil {
		return nil, fmt.Errorf("reading a new certificate: %w", err)
	}
	return &served{Pair: pair, cert: parsed[0], issuer: a}, nil
}
