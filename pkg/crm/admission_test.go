// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/admission"
	"oaas.io/oaas/pkg/crm/config"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/servingcert"
)

// startWithWebhooks runs two programs with webhooks, as a user of their own, and
// waits until the API server asks them.
func startWithWebhooks(t *testing.T, c client.Client) []*program {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := kube.WriteKubeconfig(kubeconfig, "crm-with-webhooks", "system:masters"); err != nil {
		t.Fatal(err)
	}
	restConfig, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	// When the programs have ended: they would make it anew.
	t.Cleanup(func() {
		_ = c.Delete(context.WithoutCancel(t.Context()), webhookConfiguration())
	})
	programs := []*program{
		startProgramAs(t, restConfig, oneLeads, func(s *config.Config) {
			s.Webhook.Address, s.Webhook.URL = address, "https://"+address
		}),
		startProgramAs(t, restConfig, oneLeads),
	}
	eventually(t, "the API server asks before it stores", func(ctx context.Context) error {
		return refused(c.Create(ctx, wrongEnvironment(), client.DryRunAll), "namespaces.fixed")
	})
	return programs
}

func webhookConfiguration() *admissionv1.ValidatingWebhookConfiguration {
	return &admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: admission.ConfigurationName}}
}

func wrongEnvironment() *v1alpha1.EnvironmentConfig {
	return &v1alpha1.EnvironmentConfig{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "env-"},
		Spec:       v1alpha1.EnvironmentConfigSpec{Namespaces: v1alpha1.NamespaceMapping{Fixed: "kube-system"}},
	}
}

// refused returns nil for an error that tells all of it.
func refused(err error, texts ...string) error {
	if err == nil {
		return errors.New("it was stored")
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			return fmt.Errorf("err = %w, which does not tell %q", err, text)
		}
	}
	return nil
}

func TestWebhooksRefuseWhatCannotWork(t *testing.T) {
	c := newClient(t)
	startWithWebhooks(t, c)
	namespace, other := newNamespace(t, c), newNamespace(t, c)
	environment := newEnvironment(t, c, v1alpha1.EnvironmentConfigSpec{Quotas: v1alpha1.Quotas{Replicas: new(int32(2))}})
	template := &v1alpha1.DeploymentTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: "wrong-" + namespace},
		Spec: v1alpha1.DeploymentTemplateSpec{
			Type: v1alpha1.TemplateTypeCustom,
			Manifests: []v1alpha1.TemplateManifest{{
				Name: "settings",
				Manifest: runtime.RawExtension{Raw: []byte(`{"apiVersion": "v1", "kind": "ConfigMap",
					"metadata": {"name": "${names.record}"}, "data": {"class": "${record.class +\n  record.nonsense}"}}`)},
			}},
		},
	}
	tests := map[string]struct {
		object client.Object
		texts  []string
	}{
		"a template with a wrong expression":          {template, []string{"spec.manifests[0].manifest.data.class", "record.nonsense", "line 2, column 9"}},
		"an environment in a namespace of Kubernetes": {wrongEnvironment(), []string{"spec.namespaces.fixed", "kube-system"}},
		"a record of another tenant": {func() client.Object {
			record := direct(environment.Name, namespace, namespace+"-foreign")
			record.Spec.DeploymentUnit.Namespace = other
			return record
		}(), []string{"metadata.namespace", other}},
		"a record over quota": {func() client.Object {
			record := direct(environment.Name, namespace, namespace+"-large")
			record.Spec.ResourceAllocation.MinReplicas = 3
			return record
		}(), []string{"quota of environment " + environment.Name + " exceeded: requested replicas=3, used 0, limit 2"}},
		"a requirement that cannot be read": {func() client.Object {
			record := direct(environment.Name, namespace, namespace+"-odd")
			record.Spec.NFRRequirements.Availability = "often"
			return record
		}(), []string{"spec.nfrRequirements.availability"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for _, options := range [][]client.CreateOption{{client.DryRunAll}, nil} {
				if err := refused(c.Create(t.Context(), tc.object, options...), tc.texts...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	waitForEnvironment(t, c, environment, "has given nothing away", uses(0, 0))
}

func TestWebhooksKeepQuotasOfRecordsThatAreApplied(t *testing.T) {
	const limit, calls = 5, 30
	c := newClient(t)
	programs := startWithWebhooks(t, c)
	namespace := newNamespace(t, c)
	environment := newEnvironment(t, c, v1alpha1.EnvironmentConfigSpec{Quotas: v1alpha1.Quotas{Deployments: new(int32(limit))}})
	// A dry run keeps no room.
	for i := range limit + 1 {
		if err := c.Create(t.Context(), direct(environment.Name, namespace, fmt.Sprintf("%s-dry-%d", namespace, i)), client.DryRunAll); err != nil {
			t.Fatal(err)
		}
	}
	var stored, full atomic.Int32
	var all sync.WaitGroup
	for i := range calls {
		all.Go(func() {
			name := fmt.Sprintf("%s-%d", namespace, i)
			var err error
			if i%2 == 0 {
				err = c.Create(t.Context(), direct(environment.Name, namespace, name))
			} else {
				_, err = programs[1].Deploy(t.Context(), &deploymentv1.DeployRequest{Unit: newUnit(namespace, func(u *deploymentv1.DeploymentUnit) {
					u.Id, u.Environment = name, environment.Name
				})})
			}
			switch {
			case err == nil:
				stored.Add(1)
			case apierrors.IsForbidden(err) || quotaFailureOf(err) != nil:
				full.Add(1)
			default:
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	all.Wait()
	if stored.Load() != limit || full.Load() != calls-limit {
		t.Errorf("%d were stored and %d refused, want %d and %d", stored.Load(), full.Load(), limit, calls-limit)
	}
	waitForEnvironment(t, c, environment, "is full", uses(limit, limit))
}

func TestWebhookWarnsOfAMissingTemplate(t *testing.T) {
	c := newClient(t)
	startWithWebhooks(t, c)
	namespace := newNamespace(t, c)
	heard := &warnings{}
	restConfig := rest.CopyConfig(kube.RESTConfig())
	restConfig.WarningHandlerWithContext = heard
	listening, err := client.New(restConfig, client.Options{Scheme: c.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	record := direct("dev", namespace, namespace+"-pinned")
	record.Spec.SelectedTemplate = "no-such-template"
	if err := listening.Create(t.Context(), record, client.DryRunAll); err != nil {
		t.Fatal(err)
	}
	if all := heard.all(); !strings.Contains(all, `there is no DeploymentTemplate "no-such-template"`) {
		t.Errorf("warnings = %q", all)
	}
}

// warnings collects those of the API server.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

func (w *warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

func (w *warnings) all() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.texts, "\n")
}

func TestWebhooksAreRepaired(t *testing.T) {
	c := newClient(t)
	startWithWebhooks(t, c)
	key := client.ObjectKeyFromObject(webhookConfiguration())
	right := func(ctx context.Context) error {
		found := webhookConfiguration()
		if err := c.Get(ctx, key, found); err != nil {
			return err
		}
		if len(found.Webhooks) != 3 || found.Webhooks[0].FailurePolicy == nil || *found.Webhooks[0].FailurePolicy != admissionv1.Ignore {
			return fmt.Errorf("webhooks are %+v", found.Webhooks)
		}
		secret := &corev1.Secret{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: "kube-system", Name: admission.SecretName}, secret); err != nil {
			return err
		}
		if !bytes.Equal(secret.Data[servingcert.CertificatesKey], found.Webhooks[0].ClientConfig.CABundle) {
			return errors.New("the API server trusts other authorities than those of the Secret")
		}
		return refused(c.Create(ctx, wrongEnvironment(), client.DryRunAll), "namespaces.fixed")
	}
	tests := map[string]func(context.Context) error{
		"when the configuration is deleted": func(ctx context.Context) error { return c.Delete(ctx, webhookConfiguration()) },
		"when it is changed": func(ctx context.Context) error {
			found := webhookConfiguration()
			if err := c.Get(ctx, key, found); err != nil {
				return err
			}
			found.Webhooks = found.Webhooks[:1]
			found.Webhooks[0].FailurePolicy = new(admissionv1.Fail)
			return c.Update(ctx, found)
		},
		"when it trusts nobody": func(ctx context.Context) error {
			found := webhookConfiguration()
			if err := c.Get(ctx, key, found); err != nil {
				return err
			}
			for i := range found.Webhooks {
				found.Webhooks[i].ClientConfig.CABundle = nil
			}
			return c.Update(ctx, found)
		},
		"when the authorities are lost": func(ctx context.Context) error {
			return c.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: admission.SecretName}})
		},
	}
	for name, harm := range tests {
		t.Run(name, func(t *testing.T) {
			eventually(t, "the harm is done", harm)
			eventually(t, "it is repaired", right)
		})
	}
}
