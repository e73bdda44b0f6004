// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/retry"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"

	"oaas.io/oaas/hack/internal/await"
	oaasv1alpha1 "oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// uninstall takes everything away. What was deployed goes first, while there is
// somebody who can take it down, and the registration of the API before its
// server: kube-apiserver deletes no namespace while an API does not answer.
func (i *installer) uninstall(ctx context.Context) error {
	if err := i.withdrawDeployments(ctx); err != nil {
		return err
	}
	records := oaasv1alpha1.SchemeGroupVersion.WithResource("deploymentrecords")
	if err := i.withdraw(ctx, records, "deployment records on this cluster",
		"delete their ClassDeployments where their Package Manager is"); err != nil {
		return err
	}
	if err := i.releaseTemplates(ctx); err != nil {
		return err
	}
	p := split(i.rendered)
	err := i.step("taking the API "+await.APIServiceName+" out of the cluster", func() error {
		if err := i.client.Delete(ctx, p.registrations...); err != nil {
			return err
		}
		return await.Until(ctx, "the registration to go", func(ctx context.Context) error { return i.client.Gone(ctx, p.registrations...) })
	})
	if err != nil {
		return err
	}
	return i.step("deleting the platform", func() error {
		if err := i.client.Delete(ctx, i.rendered...); err != nil {
			return err
		}
		return await.Until(ctx, "everything to go", func(ctx context.Context) error {
			left := i.client.Gone(ctx, i.rendered...)
			if left == nil {
				return nil
			}
			// A program that is about to end puts back what it looks after, such as its
			// webhook configuration.
			return errors.Join(left, i.client.Delete(ctx, i.rendered...))
		})
	})
}

// withdrawDeployments deals with the ClassDeployments, on whatever cluster their
// units are.
func (i *installer) withdrawDeployments(ctx context.Context) error {
	client, err := aggregator.NewForConfig(i.config)
	if err != nil {
		return fmt.Errorf("making a client of the aggregation layer: %w", err)
	}
	registration, err := client.ApiregistrationV1().APIServices().Get(ctx, await.APIServiceName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the registration %s: %w", await.APIServiceName, err)
	}
	if err := await.Available(registration); err != nil {
		if i.options.deleteDeployments {
			// What is on this cluster can be deleted all the same.
			return nil
		}
		return fmt.Errorf("the Package Manager does not answer (%w), so that nobody knows what it deployed: bring it up first, "+
			"or pass --delete-deployments, which then deletes what runs on this cluster and leaves the others alone", err)
	}
	return i.withdraw(ctx, pmv1alpha1.SchemeGroupVersion.WithResource("classdeployments"), "ClassDeployments", "delete them first (kubectl oaas delete)")
}

// releaseTemplates lets the templates go with their definition. A template is held
// as long as records use it; there is none any more, and the Class Runtime Manager,
// which would notice in a moment, goes in the same moment.
func (i *installer) releaseTemplates(ctx context.Context) error {
	client, err := dynamic.NewForConfig(i.config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	templates := client.Resource(oaasv1alpha1.SchemeGroupVersion.WithResource("deploymenttemplates"))
	found, err := templates.List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing deployment templates: %w", err)
	}
	for _, template := range found.Items {
		err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
			held, err := templates.Get(ctx, template.GetName(), metav1.GetOptions{})
			if err != nil {
				return err
			}
			kept := slices.DeleteFunc(held.GetFinalizers(), func(f string) bool { return f == oaasv1alpha1.FinalizerTemplateInUse })
			if len(kept) == len(held.GetFinalizers()) {
				return nil
			}
			held.SetFinalizers(kept)
			_, err = templates.Update(ctx, held, metav1.UpdateOptions{})
			return err
		})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("releasing deployment template %s: %w", template.GetName(), err)
		}
	}
	return nil
}

// withdraw refuses to go on while there are objects of a resource, or deletes
// them and waits until whoever holds them has let go.
func (i *installer) withdraw(ctx context.Context, resource schema.GroupVersionResource, what, remedy string) error {
	client, err := dynamic.NewForConfig(i.config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	found, err := client.Resource(resource).List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing %s: %w", what, err)
	}
	if len(found.Items) == 0 {
		return nil
	}
	if !i.options.deleteDeployments {
		first := found.Items[0]
		return fmt.Errorf("there are %d %s, such as %s/%s: %s, or pass --delete-deployments",
			len(found.Items), what, first.GetNamespace(), first.GetName(), remedy)
	}
	return i.step(fmt.Sprintf("deleting %d %s", len(found.Items), what), func() error {
		for _, object := range found.Items {
			err := client.Resource(resource).Namespace(object.GetNamespace()).Delete(ctx, object.GetName(), metav1.DeleteOptions{})
			if err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("deleting %s/%s: %w", object.GetNamespace(), object.GetName(), err)
			}
		}
		return await.Until(ctx, what+" to go", func(ctx context.Context) error {
			left, err := client.Resource(resource).List(ctx, metav1.ListOptions{})
			if err == nil && len(left.Items) > 0 {
				err = errors.New(left.Items[0].GetNamespace() + "/" + left.Items[0].GetName() + " is still there")
			}
			return err
		})
	})
}
