// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/yaml"

	"oaas.io/oaas/hack/internal/await"
	"oaas.io/oaas/hack/internal/manifests"
	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/hack/localcluster/progress"
	"oaas.io/oaas/pkg/pki"
)

const fieldManager = "oaas-install"

// installer works on one cluster.
type installer struct {
	options  options
	config   *rest.Config
	kube     kubernetes.Interface
	client   *manifests.Client
	rendered []*unstructured.Unstructured
	steps    progress.Reporter
	clock    clock.PassiveClock
}

func newInstaller(config *rest.Config, o options, steps progress.Reporter, c clock.PassiveClock) (*installer, error) {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	client, err := manifests.NewClient(config, fieldManager)
	if err != nil {
		return nil, err
	}
	root, err := binaries.RepositoryRoot()
	if err != nil {
		return nil, err
	}
	folder := manifests.Hub
	if o.member {
		folder = manifests.Member
	}
	rendered, err := manifests.Render(root, folder)
	if err != nil {
		return nil, err
	}
	return &installer{options: o, config: config, kube: kube, client: client, rendered: rendered, steps: steps, clock: c}, nil
}

// step shows what takes the time.
func (i *installer) step(name string, work func() error) error {
	end := i.steps.Begin(name)
	err := work()
	end(err)
	return err
}

// install returns what to tell the user at the end.
func (i *installer) install(ctx context.Context) (string, error) {
	p := split(i.rendered)
	if err := i.client.Apply(ctx, asObjects(p.namespaces)...); err != nil {
		return "", err
	}
	var authority *pki.Authority
	err := i.step("making certificates", func() error {
		var err error
		authority, err = i.certify(ctx)
		return err
	})
	if err != nil {
		return "", err
	}
	if err := i.step("applying manifests", func() error { return explainStorage(i.client.Apply(ctx, asObjects(p.others)...)) }); err != nil {
		return "", err
	}
	if i.options.member {
		if err := i.step("starting the Class Runtime Manager", func() error { return i.rolledOut(ctx, runtimeManager) }); err != nil {
			return "", err
		}
		return memberAdvice(i.options, authority.Cert)
	}
	// The Package Manager serves without its registration, and completes it.
	if err := i.step("starting the Package Manager", func() error { return i.rolledOut(ctx, packageManager) }); err != nil {
		return "", err
	}
	err = i.step("registering the API "+await.APIServiceName, func() error {
		if err := i.client.Apply(ctx, asObjects(p.registrations)...); err != nil {
			return err
		}
		return await.APIService(ctx, i.config)
	})
	if err != nil {
		return "", err
	}
	if err := i.step("starting the Class Runtime Manager", func() error { return i.rolledOut(ctx, runtimeManager) }); err != nil {
		return "", err
	}
	err = i.step("registering cluster "+i.options.name, func() error {
		if err := i.client.Apply(ctx, clusterObject(i.options, authority.Cert)); err != nil {
			return err
		}
		return await.Cluster(ctx, i.config, i.options.name)
	})
	return hubAdvice, err
}

// certify stores the certificates and puts what the options say into the
// manifests.
func (i *installer) certify(ctx context.Context) (*pki.Authority, error) {
	now := i.clock.Now()
	authority, err := ensureAuthority(ctx, i.kube, now)
	if err != nil {
		return nil, err
	}
	clientCA := authority.Cert
	if i.options.member {
		if clientCA, err = readAuthority("package-manager-ca", i.options.packageManagerCA); err != nil {
			return nil, err
		}
	}
	if i.options.reportEndpoint != "" {
		serving, err := readAuthority("report-ca", i.options.reportCA)
		if err != nil {
			return nil, err
		}
		if err := i.client.Apply(ctx, trustedByMember(serving)); err != nil {
			return nil, err
		}
	}
	for _, c := range certificates(i.options.member, clientCA) {
		secret, err := secretFor(ctx, i.kube, authority, c, now)
		if err != nil {
			return nil, err
		}
		if err := i.client.Apply(ctx, secret); err != nil {
			return nil, err
		}
	}
	return authority, customise(i.rendered, i.options)
}

// explainStorage adds the way out of what a StatefulSet forbids.
func explainStorage(err error) error {
	if apierrors.IsInvalid(err) && strings.Contains(err.Error(), "StatefulSet") {
		return fmt.Errorf("%w\nThe kind of --storage cannot be changed later: uninstall first, or keep what was chosen", err)
	}
	return err
}

const hubAdvice = `
The platform is installed. Try it:

  kubectl oaas deploy -f artifacts/examples/echo.yaml --wait
  kubectl get oaas

To let it deploy to another cluster, too:

  ` + printAuthority + ` > ca.crt
  go run ./hack/install --context OTHER --member --name NAME --endpoint HOST:PORT --package-manager-ca ca.crt

`

// memberAdvice is the Cluster object to apply on the hub.
func memberAdvice(o options, authority []byte) (string, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(clusterObject(o, authority))
	if err != nil {
		return "", fmt.Errorf("encoding the Cluster object: %w", err)
	}
	delete(content, "status")
	text, err := yaml.Marshal(content)
	if err != nil {
		return "", fmt.Errorf("encoding the Cluster object: %w", err)
	}
	return "# kubectl apply -f this where the Package Manager is.\n" + string(text), nil
}

func asObjects(list []*unstructured.Unstructured) []runtime.Object {
	objects := make([]runtime.Object, len(list))
	for i, object := range list {
		objects[i] = object
	}
	return objects
}
