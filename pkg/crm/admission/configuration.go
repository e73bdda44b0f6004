// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"bytes"
	"context"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	typedv1 "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"
	"k8s.io/client-go/tools/cache"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/servingcert"
)

const (
	// ConfigurationName is the ValidatingWebhookConfiguration. Deleting it while the
	// program runs brings it back; with the program gone, it is to be deleted.
	ConfigurationName = "oaas-crm"

	fieldManager = "oaas-crm-admission"

	// timeoutSeconds is how long the API server waits before it goes on without an
	// answer.
	timeoutSeconds = 5
)

// Resources that are validated, and where.
const (
	resourceTemplates    = "deploymenttemplates"
	resourceEnvironments = "environmentconfigs"
	resourceRecords      = "deploymentrecords"
)

func pathOf(resource string) string { return "/validate/" + resource }

// Target is how the API server reaches the program: by a URL, or by a Service.
type Target struct {
	// URL is https://host:port, without a path; empty uses the Service.
	URL string
	// Namespace, Service and Port of the Service.
	Namespace, Service string
	Port               int32
}

func (t Target) clientConfig(path string) admissionv1.WebhookClientConfig {
	if t.URL != "" {
		return admissionv1.WebhookClientConfig{URL: new(strings.TrimSuffix(t.URL, "/") + path)}
	}
	return admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{
		Namespace: t.Namespace, Name: t.Service, Port: new(t.Port), Path: new(path),
	}}
}

// webhooks is the whole content, with what the API server would fill in, so that it
// can be compared.
func webhooks(target Target, authorities []byte) []admissionv1.ValidatingWebhook {
	var list []admissionv1.ValidatingWebhook
	for _, resource := range []string{resourceTemplates, resourceEnvironments, resourceRecords} {
		config := target.clientConfig(pathOf(resource))
		config.CABundle = authorities
		list = append(list, admissionv1.ValidatingWebhook{
			Name:         resource + ".crm." + v1alpha1.GroupName,
			ClientConfig: config,
			Rules: []admissionv1.RuleWithOperations{{
				Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
				Rule: admissionv1.Rule{
					APIGroups: []string{v1alpha1.GroupName}, APIVersions: []string{v1alpha1.SchemeGroupVersion.Version},
					Resources: []string{resource}, Scope: new(admissionv1.AllScopes),
				},
			}},
			FailurePolicy:           new(admissionv1.Ignore),
			MatchPolicy:             new(admissionv1.Equivalent),
			NamespaceSelector:       &metav1.LabelSelector{},
			ObjectSelector:          &metav1.LabelSelector{},
			SideEffects:             new(admissionv1.SideEffectClassNoneOnDryRun),
			TimeoutSeconds:          new(int32(timeoutSeconds)),
			AdmissionReviewVersions: []string{"v1"},
		})
	}
	return list
}

// configuration is the ValidatingWebhookConfiguration, which is made where there is
// none and kept as it has to be.
type configuration struct {
	client typedv1.ValidatingWebhookConfigurationInterface
	target Target
}

var _ servingcert.Registration = configuration{}

// String implements servingcert.Registration.
func (configuration) String() string { return "ValidatingWebhookConfiguration " + ConfigurationName }

// Read implements servingcert.Registration.
func (c configuration) Read(ctx context.Context) (*servingcert.Published, error) {
	found, err := c.client.Get(ctx, ConfigurationName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return &servingcert.Published{Publish: c.create}, nil
	}
	if err != nil {
		return nil, err
	}
	authorities := trusted(found.Webhooks)
	return &servingcert.Published{
		Authorities: authorities,
		Wrong:       !equality.Semantic.DeepEqual(found.Webhooks, webhooks(c.target, authorities)),
		Publish: func(ctx context.Context, authorities []byte) error {
			changed := found.DeepCopy()
			changed.Webhooks = webhooks(c.target, authorities)
			_, err := c.client.Update(ctx, changed, metav1.UpdateOptions{FieldManager: fieldManager})
			return err
		},
	}, nil
}

func (c configuration) create(ctx context.Context, authorities []byte) error {
	_, err := c.client.Create(ctx, &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: ConfigurationName, Labels: map[string]string{"app.kubernetes.io/part-of": "oaas"}},
		Webhooks:   webhooks(c.target, authorities),
	}, metav1.CreateOptions{FieldManager: fieldManager})
	return err
}

// trusted are the authorities that all webhooks trust; nil where they differ.
func trusted(list []admissionv1.ValidatingWebhook) []byte {
	var authorities []byte
	for i := range list {
		bundle := list[i].ClientConfig.CABundle
		if i > 0 && !bytes.Equal(bundle, authorities) {
			return nil
		}
		authorities = bundle
	}
	return authorities
}

// Watch implements servingcert.Registration.
func (c configuration) Watch(ctx context.Context, changed func()) {
	servingcert.WatchOne(ctx, &admissionv1.ValidatingWebhookConfiguration{}, &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return c.client.List(ctx, servingcert.Named(ConfigurationName, o))
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return c.client.Watch(ctx, servingcert.Named(ConfigurationName, o))
		},
	}, changed)
}
