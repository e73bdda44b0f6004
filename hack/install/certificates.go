// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"oaas.io/oaas/pkg/pki"
)

// Secrets of the namespace, all of type kubernetes.io/tls.
const (
	authoritySecret      = "oaas-ca"
	runtimeManagerSecret = "oaas-crm-tls"
	// clientSecret is by what Class Runtime Managers know the Package Manager.
	clientSecret = "oaas-package-manager"

	clientCAKey = "ca.crt"
)

const (
	authorityLifetime = 10 * 365 * 24 * time.Hour
	// renewBefore is the remaining life at which a certificate is made anew.
	renewBefore = 90 * 24 * time.Hour
)

// certificate is one that the installation needs.
type certificate struct {
	secret  string
	request pki.Request
	// clientCA is stored beside it, if any.
	clientCA []byte
}

// certificates lists what a cluster needs, but for the Package Manager's serving
// certificate, which it issues itself. clientCA signed the certificate by which
// the Package Manager is known to the Class Runtime Manager.
func certificates(member bool, clientCA []byte) []certificate {
	manager := serving(runtimeManager)
	// It reports to the Package Manager under the name by which it is called.
	manager.Client = true
	list := []certificate{{secret: runtimeManagerSecret, request: manager, clientCA: clientCA}}
	if member {
		return list
	}
	return append(list, certificate{secret: clientSecret, request: pki.Request{User: clientSecret, Client: true}})
}

func serving(service string) pki.Request {
	return pki.Request{User: serviceHost(service), Hosts: []string{serviceHost(service), service + "." + namespace, service}}
}

// ensureAuthority returns the certificate authority of the installation, which
// is made once: replacing it would cut off every cluster that trusts it.
func ensureAuthority(ctx context.Context, kube kubernetes.Interface, now time.Time) (*pki.Authority, error) {
	secrets := kube.CoreV1().Secrets(namespace)
	stored, err := secrets.Get(ctx, authoritySecret, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		made, makeErr := pki.NewAuthority("oaas", now, authorityLifetime)
		if makeErr != nil {
			return nil, makeErr
		}
		stored, err = secrets.Create(ctx, tlsSecret(authoritySecret, made.Pair, nil), metav1.CreateOptions{FieldManager: fieldManager})
		if apierrors.IsAlreadyExists(err) {
			// Somebody else installs, too.
			stored, err = secrets.Get(ctx, authoritySecret, metav1.GetOptions{})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("storing the certificate authority: %w", err)
	}
	const remedy = "delete the Secret to get a new authority, and install again here and on every member"
	authority, err := pki.ParseAuthority(pairOf(stored))
	if err != nil {
		return nil, fmt.Errorf("reading the certificate authority in Secret %s/%s: %w: %s", namespace, authoritySecret, err, remedy)
	}
	if authority.Expires().Before(now.Add(pki.Lifetime)) {
		return nil, fmt.Errorf("the certificate authority in Secret %s/%s ends on %s, before the certificates that it would sign: %s",
			namespace, authoritySecret, authority.Expires().Format(time.DateOnly), remedy)
	}
	return authority, nil
}

// secretFor returns the Secret of a certificate, with what is stored as long as
// that is good.
func secretFor(ctx context.Context, kube kubernetes.Interface, authority *pki.Authority, c certificate, now time.Time) (*corev1.Secret, error) {
	stored, err := kube.CoreV1().Secrets(namespace).Get(ctx, c.secret, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading Secret %s/%s: %w", namespace, c.secret, err)
	}
	if err == nil && authority.Serves(pairOf(stored), c.request, now.Add(renewBefore)) {
		return tlsSecret(c.secret, pairOf(stored), c.clientCA), nil
	}
	pair, err := authority.Issue(c.request, now)
	if err != nil {
		return nil, err
	}
	return tlsSecret(c.secret, pair, c.clientCA), nil
}

func tlsSecret(name string, pair pki.Pair, clientCA []byte) *corev1.Secret {
	secret := &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app.kubernetes.io/part-of": "oaas"}},
		Type:       corev1.SecretTypeTLS,
		Data:       map[string][]byte{corev1.TLSCertKey: pair.Cert, corev1.TLSPrivateKeyKey: pair.Key},
	}
	if clientCA != nil {
		secret.Data[clientCAKey] = clientCA
	}
	return secret
}

func pairOf(secret *corev1.Secret) pki.Pair {
	return pki.Pair{Cert: secret.Data[corev1.TLSCertKey], Key: secret.Data[corev1.TLSPrivateKeyKey]}
}
