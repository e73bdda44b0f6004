// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm

import (
	"fmt"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/admission"
	"oaas.io/oaas/pkg/crm/config"
	"oaas.io/oaas/pkg/crm/quota"
	"oaas.io/oaas/pkg/crm/template"
)

// webhookPort is the port of the Service that leads to the webhooks.
const webhookPort = 443

// addWebhooks lets the API server ask before it stores what concerns the program.
func addWebhooks(mgr manager.Manager, settings config.Config, kube *rest.Config, ledger *quota.Ledger, log logr.Logger) error {
	if settings.Webhook.Address == "" {
		return nil
	}
	clientset, err := kubernetes.NewForConfig(kube)
	if err != nil {
		return fmt.Errorf("set up webhooks: %w", err)
	}
	server, err := admission.New(admission.Options{
		Address: settings.Webhook.Address,
		Target: admission.Target{
			URL: settings.Webhook.URL, Namespace: leaseNamespace(), Service: settings.Webhook.Service, Port: webhookPort,
		},
		Namespace:    leaseNamespace(),
		Kube:         clientset,
		Scheme:       mgr.GetScheme(),
		Reader:       mgr.GetCache(),
		Ledger:       ledger,
		Environments: environmentDefaults(settings),
		Compile: func(name string, spec *v1alpha1.DeploymentTemplateSpec) field.ErrorList {
			_, problems := template.Compile(name, spec)
			return problems
		},
		Clock: clock.RealClock{},
		Log:   log,
	})
	if err != nil {
		return err
	}
	if err := mgr.Add(server); err != nil {
		return fmt.Errorf("set up webhooks: %w", err)
	}
	return nil
}
