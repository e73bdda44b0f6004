// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"oaas.io/oaas/pkg/controller/links"
	"oaas.io/oaas/pkg/crmclient"
	"oaas.io/oaas/pkg/generated/informers/externalversions"
)

// LinkConfig is what keeps the links to the clusters.
type LinkConfig struct {
	// Loopback reaches this server's own API.
	Loopback *rest.Config
	// Pool gets the links.
	Pool *crmclient.Pool
	// Interval between two looks at the Secrets of clusters. Defaults to 30 s.
	Interval time.Duration
}

// RunLinks keeps the links to the clusters until ctx ends. Every replica does so,
// whether it leads or not: it serves the clusters' live records.
func RunLinks(ctx context.Context, config LinkConfig) error {
	if config.Loopback == nil || config.Pool == nil {
		return errors.New("links: Loopback or Pool is not set: give the configuration of the server's own API and a pool")
	}
	ctx = klog.NewContext(ctx, klog.FromContext(ctx).WithName("links"))
	client, err := newLoopbackClient(config.Loopback)
	if err != nil {
		return fmt.Errorf("links: %w", err)
	}
	factory := externalversions.NewSharedInformerFactoryWithOptions(client, resync, externalversions.WithTransform(withoutManagedFields))
	controller, err := links.New(links.Config{
		Clusters: factory.Pm().V1alpha1().Clusters(), Pool: config.Pool, Interval: config.Interval,
	})
	if err != nil {
		return fmt.Errorf("links: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer factory.Shutdown()
	defer cancel()
	factory.StartWithContext(ctx)
	if err := controller.Run(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// newPool makes the pool of links. Host holds the Secrets that clusters refer to;
// without one, clusters whose identity is in a Secret get no link.
func newPool(host *rest.Config, options crmclient.Options) (*crmclient.Pool, error) {
	options.Log = klog.Background().WithName("links")
	if host != nil {
		client, err := kubernetes.NewForConfig(unthrottled(host))
		if err != nil {
			return nil, fmt.Errorf("links: client for the host cluster: %w", err)
		}
		options.Secrets = secretReader{client.CoreV1()}
	}
	return crmclient.NewPool(options), nil
}

// secretReader reads single Secrets when a link needs them, so that the Package
// Manager needs neither list nor watch on all Secrets.
type secretReader struct {
	client corev1client.SecretsGetter
}

var _ crmclient.SecretReader = secretReader{}

// ReadSecret implements crmclient.SecretReader.
func (r secretReader) ReadSecret(ctx context.Context, namespace, name string) (map[string][]byte, error) {
	secret, err := r.client.Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return secret.Data, nil
}
