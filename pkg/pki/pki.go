// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pki makes keys and certificates.
package pki

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"

	"k8s.io/client-go/util/keyutil"
)

const (
	// Lifetime of a certificate that is not an authority's.
	Lifetime = 365 * 24 * time.Hour
	// backdate allows for a client whose clock is behind.
	backdate = time.Hour
)

// Pair is a certificate and its private key, both PEM.
type Pair struct{ Cert, Key []byte }

// Write stores the pair; the key is readable by the owner only.
func (p Pair) Write(certPath, keyPath string) error {
	if err := os.WriteFile(keyPath, p.Key, 0o600); err != nil {
		return fmt.Errorf("writing a private key: %w", err)
	}
	if err := os.WriteFile(certPath, p.Cert, 0o644); err != nil {
		return fmt.Errorf("writing a certificate: %w", err)
	}
	return nil
}

// Authority signs certificates.
type Authority struct {
	Pair

	cert *x509.Certificate
	key  crypto.Signer
}

// NewAuthority makes a self-signed certificate authority for the given time.
func NewAuthority(commonName string, now time.Time, lifetime time.Duration) (*Authority, error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, err
	}
	template, err := newTemplate(pkix.Name{CommonName: commonName}, now, lifetime)
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making certificate authority %s: %w", commonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("making certificate authority %s: %w", commonName, err)
	}
	return &Authority{Pair: Pair{Cert: certPEM(der), Key: keyPEM}, cert: cert, key: key}, nil
}

// LoadAuthority reads an authority that Pair.Write stored.
func LoadAuthority(certPath, keyPath string) (*Authority, error) {
	certBytes, err := os.ReadFile(certPath)
	if err != nil {
		return nil, fmt.Errorf("reading a certificate authority: %w", err)
	}
	keyBytes, err := os.ReadFile(keyPath)
	if err != nil {
		return nil, fmt.Errorf("reading a certificate authority: %w", err)
	}
	authority, err := ParseAuthority(Pair{Cert: certBytes, Key: keyBytes})
	if err != nil {
		return nil, fmt.Errorf("reading certificate authority %s: %w", certPath, err)
	}
	return authority, nil
}

// ParseAuthority returns the authority whose certificate and key are given.
func ParseAuthority(p Pair) (*Authority, error) {
	loaded, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil {
		return nil, err
	}
	key, ok := loaded.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errors.New("its key cannot sign")
	}
	if !loaded.Leaf.IsCA {
		return nil, errors.New("its certificate is not an authority's")
	}
	return &Authority{Pair: p, cert: loaded.Leaf, key: key}, nil
}

// Expires returns the end of the authority's validity.
func (a *Authority) Expires() time.Time { return a.cert.NotAfter }

// Made returns when the authority was made.
func (a *Authority) Made() time.Time { return a.cert.NotBefore.Add(backdate) }

// Request describes a certificate.
type Request struct {
	// User and Groups are what Kubernetes takes the holder for.
	User   string
	Groups []string
	// Hosts are the DNS names and IP addresses of a server. With hosts, the
	// certificate is good for serving.
	Hosts []string
	// Client makes the certificate good for calling others.
	Client bool
	// Lifetime of the certificate. Defaults to the constant Lifetime. It ends with
	// its authority at the latest.
	Lifetime time.Duration
}

// Issue makes a key and signs a certificate for it.
func (a *Authority) Issue(r Request, now time.Time) (Pair, error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return Pair{}, err
	}
	template, err := newTemplate(pkix.Name{CommonName: r.User, Organization: r.Groups}, now, cmp.Or(r.Lifetime, Lifetime))
	if err != nil {
		return Pair{}, err
	}
	if template.NotAfter.After(a.cert.NotAfter) {
		template.NotAfter = a.cert.NotAfter
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if r.Client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	if len(r.Hosts) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, host := range r.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	if len(template.ExtKeyUsage) == 0 {
		return Pair{}, fmt.Errorf("a certificate for %q that is neither for a client nor for a server's hosts", r.User)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("signing a certificate for %q: %w", r.User, err)
	}
	return Pair{Cert: certPEM(der), Key: keyPEM}, nil
}

// Serves says whether a pair is what Issue would make for a request, and stays
// good until the given time.
func (a *Authority) Serves(p Pair, r Request, until time.Time) bool {
	loaded, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil {
		return false
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	usage := x509.ExtKeyUsageServerAuth
	if r.Client {
		usage = x509.ExtKeyUsageClientAuth
	}
	if _, err := loaded.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: until, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
		return false
	}
	for _, host := range r.Hosts {
		if loaded.Leaf.VerifyHostname(host) != nil {
			return false
		}
	}
	return loaded.Leaf.Subject.CommonName == r.User
}

// NewSigningKey makes a key for service account tokens.
func NewSigningKey() (private, public []byte, err error) {
	key, private, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a public key: %w", err)
	}
	return private, pem.EncodeToMemory(&pem.Block{Type: keyutil.PublicKeyBlockType, Bytes: der}), nil
}

// ExpiresAt returns the end of validity of a stored certificate.
func ExpiresAt(certPath string) (time.Time, error) {
	content, err := os.ReadFile(certPath)
	if err != nil {
		return time.Time{}, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return time.Time{}, errors.New(certPath + " is not a PEM file")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}, fmt.Errorf("parsing %s: %w", certPath, err)
	}
	return cert.NotAfter, nil
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	// An elliptic key takes well under a millisecond; a start needs a dozen.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making a key: %w", err)
	}
	keyPEM, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a key: %w", err)
	}
	return key, keyPEM, nil
}

func newTemplate(subject pkix.Name, now time.Time, lifetime time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	return &x509.Certificate{
		Subject:      subject,
		SerialNumber: serial,
		NotBefore:    now.Add(-backdate).UTC(),
		NotAfter:     now.Add(lifetime).UTC(),
	}, nil
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
