// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package await waits until the parts of an installation are ready.
package await

import (
	"context"
	"errors"
	"fmt"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
)

const (
	// APIServiceName is the registration of the Package Manager.
	APIServiceName = "v1alpha1." + pmv1alpha1.GroupName

	lookEvery = 50 * time.Millisecond
)

// Until returns when check succeeds, or with its last error when ctx ends.
func Until(ctx context.Context, what string, check func(context.Context) error) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var last error
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		// Once the time is up, the call that it interrupted tells nothing.
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (%w)", what, last, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// APIService returns when kube-apiserver passes requests on to the Package
// Manager and clients can discover its resources.
func APIService(ctx context.Context, config *rest.Config) error {
	client, err := aggregator.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client of the aggregation layer: %w", err)
	}
	return Until(ctx, "the aggregated API "+APIServiceName, func(ctx context.Context) error {
		registration, err := client.ApiregistrationV1().APIServices().Get(ctx, APIServiceName, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("reading the registration: %w", err)
		}
		if err := Available(registration); err != nil {
			return err
		}
		return discoverable(client.Discovery())
	})
}

// Available says why kube-apiserver does not pass requests on, if it does not.
func Available(registration *apiregistrationv1.APIService) error {
	for _, condition := range registration.Status.Conditions {
		switch {
		case condition.Type != apiregistrationv1.Available:
		case condition.Status == apiregistrationv1.ConditionTrue:
			return nil
		default:
			return fmt.Errorf("%s: %s", condition.Reason, condition.Message)
		}
	}
	return errors.New("kube-apiserver has not looked at it yet")
}

// discoverable says whether clients find our resources: kube-apiserver publishes
// them a moment after it passes requests on.
func discoverable(client discovery.DiscoveryInterface) error {
	groups, err := restmapper.GetAPIGroupResources(client)
	if err != nil {
		return fmt.Errorf("discovering the cluster's API: %w", err)
	}
	for _, group := range groups {
		if group.Group.Name == pmv1alpha1.GroupName && len(group.VersionedResources[pmv1alpha1.SchemeGroupVersion.Version]) > 0 {
			return nil
		}
	}
	return fmt.Errorf("kube-apiserver does not list the resources of %s yet", pmv1alpha1.GroupName)
}

// Cluster returns when the Package Manager, reached through config, can send
// units to a cluster.
func Cluster(ctx context.Context, config *rest.Config, name string) error {
	client, err := versioned.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client of %s: %w", pmv1alpha1.GroupName, err)
	}
	return Until(ctx, "cluster "+name, func(ctx context.Context) error {
		found, err := client.PmV1alpha1().Clusters().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("reading the cluster: %w", err)
		}
		switch condition := apimeta.FindStatusCondition(found.Status.Conditions, pmv1alpha1.ClusterReady); {
		case condition == nil, found.Status.ObservedGeneration != found.Generation:
			return errors.New("the Package Manager has not looked at it yet")
		case condition.Status != metav1.ConditionTrue:
			return fmt.Errorf("%s: %s", condition.Reason, condition.Message)
		}
		return nil
	})
}
