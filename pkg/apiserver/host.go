// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"fmt"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	apiregistrationclient "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset/typed/apiregistration/v1"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/apiserver/quota"
	"oaas.io/oaas/pkg/apiserver/registration"
	"oaas.io/oaas/pkg/apiserver/selfcheck"
)

// apiServiceName is the server's registration in the host cluster.
const apiServiceName = "v1alpha1." + v1alpha1.GroupName

// applyPermissionChecks makes a permission that is missing in the host cluster a
// failure of /readyz that names it.
func (o CompletedOptions) applyPermissionChecks(generic *genericapiserver.RecommendedConfig) error {
	client, err := kubernetes.NewForConfig(unthrottled(generic.ClientConfig))
	if err != nil {
		return fmt.Errorf("make a client of the host cluster: %w", err)
	}
	scope := selfcheck.Scope{
		Namespace: o.Registration.Namespace, LeaseNamespace: o.Controllers.LeaseNamespace,
		Secret: registration.SecretName, APIService: apiServiceName,
	}
	checker := selfcheck.New(client.AuthorizationV1().SelfSubjectAccessReviews(),
		selfcheck.Rules(scope, o.hostPurposes()...), o.PermissionCheckInterval, clock.RealClock{})
	generic.AddReadyzChecks(checker.Checks()...)
	return generic.AddPostStartHook("start-oaas-permission-checks", func(hook genericapiserver.PostStartHookContext) error {
		go checker.Run(hook)
		return nil
	})
}

// hostPurposes are the parts of the server that act in the host cluster.
func (o CompletedOptions) hostPurposes() []selfcheck.Purpose {
	purposes := []selfcheck.Purpose{selfcheck.Admission, selfcheck.Links}
	for purpose, used := range map[selfcheck.Purpose]bool{
		// With a kubeconfig of its own, delegation is another user's business.
		selfcheck.Delegation: o.Authentication.RemoteKubeConfigFile == o.CoreAPI.CoreAPIKubeconfigPath &&
			o.Authorization.RemoteKubeConfigFile == o.CoreAPI.CoreAPIKubeconfigPath,
		selfcheck.Quota:        quota.Enabled(o.Admission),
		selfcheck.Fairness:     o.Features.EnablePriorityAndFairness,
		selfcheck.Controllers:  o.Controllers.Enabled,
		selfcheck.Election:     o.Controllers.Enabled && o.Controllers.LeaderElect,
		selfcheck.Registration: o.managedCertificate(),
	} {
		if used {
			purposes = append(purposes, purpose)
		}
	}
	return purposes
}

func (o CompletedOptions) managedCertificate() bool {
	return o.Registration.Active(o.SecureServing.ServerCert.CertKey.CertFile)
}

// applyRegistration lets the server issue its own serving certificate.
func (o CompletedOptions) applyRegistration(generic *genericapiserver.RecommendedConfig) error {
	if !o.managedCertificate() || generic.SecureServing == nil {
		return nil
	}
	config := unthrottled(generic.ClientConfig)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client of the host cluster: %w", err)
	}
	registrations, err := apiregistrationclient.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client of the host cluster's aggregation layer: %w", err)
	}
	certificate := registration.New(registration.Config{
		Client: client, Registrations: registrations.APIServices(), APIService: apiServiceName,
		Namespace: o.Registration.Namespace, Service: o.Registration.Service, Fallback: generic.SecureServing.Cert,
	})
	generic.SecureServing.Cert = certificate
	generic.AddReadyzChecks(certificate)
	return nil
}
