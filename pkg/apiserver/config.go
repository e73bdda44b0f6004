// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/healthz"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	serverstorage "k8s.io/apiserver/pkg/server/storage"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
	"oaas.io/oaas/pkg/apiserver/frontproxy"
	"oaas.io/oaas/pkg/apiserver/quota"
	"oaas.io/oaas/pkg/apiserver/watchbuffer"
	"oaas.io/oaas/pkg/crmclient"
	"oaas.io/oaas/pkg/generated/openapi"
	"oaas.io/oaas/pkg/version"
)

// Config is what a server is made of.
type Config struct {
	// Generic is the part that every Kubernetes API server has.
	Generic *genericapiserver.RecommendedConfig
	// Extra is the part that only this one has.
	Extra ExtraConfig
}

// ExtraConfig is what the Package Manager adds to a Kubernetes API server.
type ExtraConfig struct {
	// Scheme knows the types that are served.
	Scheme *runtime.Scheme
	// Codecs read and write them.
	Codecs serializer.CodecFactory
	// Controllers say which controllers run in the server.
	Controllers ControllerOptions
	// Reports say where Class Runtime Managers report.
	Reports ReportOptions
	// Host is how the cluster that hosts the server is reached; nil when there is
	// none.
	Host *rest.Config
	// Links tunes the links to the clusters. Secrets and Log are set by the server.
	Links crmclient.Options
}

// Config turns options into a configuration. It opens nothing but the listener.
func (o CompletedOptions) Config() (*Config, error) {
	scheme := NewScheme()
	codecs := NewCodecs(scheme)
	generic := genericapiserver.NewRecommendedConfig(codecs)
	if err := o.ServerRun.ApplyTo(&generic.Config); err != nil {
		return nil, fmt.Errorf("apply the server's limits: %w", err)
	}
	describeAPI(generic, newDescribedScheme())

	// Before storage, whose calls are part of what is traced.
	if err := o.Traces.ApplyTo(nil, &generic.Config); err != nil {
		return nil, fmt.Errorf("apply --tracing-config-file: %w", err)
	}
	if err := o.applyStorage(generic, scheme, codecs); err != nil {
		return nil, err
	}
	if err := o.SecureServing.ApplyToConfig(&generic.Config); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if err := o.applyAccess(generic); err != nil {
		return nil, err
	}
	if proxy := generic.Authentication.RequestHeaderConfig; proxy != nil {
		o.applyFrontProxy(generic, proxy)
	}
	if err := o.Audit.ApplyTo(&generic.Config); err != nil {
		return nil, fmt.Errorf("set up auditing: %w", err)
	}
	build := generic.BuildHandlerChainFunc
	generic.BuildHandlerChainFunc = func(handler http.Handler, c *genericapiserver.Config) http.Handler {
		return build(watchbuffer.WithBuffer(handler), c)
	}
	if err := o.applyHost(generic); err != nil {
		return nil, err
	}
	generic.EffectiveVersion = productVersion{generic.EffectiveVersion}
	return &Config{
		Generic: generic,
		Extra:   ExtraConfig{Scheme: scheme, Codecs: codecs, Controllers: *o.Controllers, Reports: *o.Reports, Host: generic.ClientConfig},
	}, nil
}

// applyFrontProxy sets up how requests are treated that kube-apiserver passes on.
func (o CompletedOptions) applyFrontProxy(generic *genericapiserver.RecommendedConfig, proxy *authenticatorfactory.RequestHeaderConfig) {
	if o.TrustFrontProxy {
		generic.Authentication.Authenticator = frontproxy.Authenticator(proxy, generic.Authentication.Authenticator)
		generic.Authorization.Authorizer = frontproxy.Authorizer(v1alpha1.GroupName, generic.Authorization.Authorizer)
	}
	generic.AddReadyzChecks(healthz.NamedCheck("front-proxy", func(*http.Request) error { return frontproxy.Ready(proxy) }))
	build := generic.BuildHandlerChainFunc
	generic.BuildHandlerChainFunc = func(handler http.Handler, c *genericapiserver.Config) http.Handler {
		return frontproxy.WithReadiness(build(handler, c), proxy)
	}
}

// describeAPI makes kubectl explain, server-side apply and client generators
// understand the resources.
func describeAPI(generic *genericapiserver.RecommendedConfig, scheme *runtime.Scheme) {
	namer := openapinamer.NewDefinitionNamer(scheme)
	generic.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(openapi.GetOpenAPIDefinitions, namer)
	generic.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(openapi.GetOpenAPIDefinitions, namer)
	generic.OpenAPIConfig.Info.Title = "OaaS Package Manager"
	generic.OpenAPIConfig.Info.Version = version.Get().Version
	generic.OpenAPIV3Config.Info.Title = generic.OpenAPIConfig.Info.Title
	generic.OpenAPIV3Config.Info.Version = generic.OpenAPIConfig.Info.Version
}

// applyStorage decides how objects are stored. Only this kind of factory
// respects --storage-media-type and --etcd-servers-overrides.
func (o CompletedOptions) applyStorage(generic *genericapiserver.RecommendedConfig, scheme *runtime.Scheme, codecs serializer.CodecFactory) error {
	etcd := *o.Etcd
	if generic.TracerProvider != nil {
		etcd.StorageConfig.Transport.TracerProvider = generic.TracerProvider
	}
	storageConfig := etcd.StorageConfig
	if storageConfig.StorageObjectCountTracker == nil {
		storageConfig.StorageObjectCountTracker = generic.StorageObjectCountTracker
	}
	resources := serverstorage.NewResourceConfig()
	resources.EnableVersions(v1alpha1.SchemeGroupVersion)
	factory := serverstorage.NewDefaultStorageFactory(storageConfig, etcd.DefaultStorageMediaType, codecs,
		serverstorage.NewDefaultResourceEncodingConfigForEffectiveVersion(scheme, generic.EffectiveVersion), resources, nil)

	overrides, err := genericoptions.ParseEtcdServersOverrides(etcd.EtcdServersOverrides)
	if err != nil {
		return fmt.Errorf("read --etcd-servers-overrides: %w", err)
	}
	for _, override := range overrides {
		factory.SetEtcdLocation(override.GroupResource, override.Servers)
	}
	if err := etcd.ApplyWithStorageFactoryTo(factory, &generic.Config); err != nil {
		return fmt.Errorf("set up storage: %w", err)
	}
	generic.LivezChecks = withoutEtcd(generic.LivezChecks)
	return nil
}

// applyHost sets up what acts in the host cluster: priority and fairness,
// admission, the serving certificate, and the check that all of it may.
func (o CompletedOptions) applyHost(generic *genericapiserver.RecommendedConfig) error {
	if o.CoreAPI == nil {
		if err := o.Features.ApplyTo(&generic.Config, nil, nil); err != nil {
			return fmt.Errorf("set up request handling: %w", err)
		}
		return nil
	}
	if err := o.CoreAPI.ApplyTo(generic); err != nil {
		return fmt.Errorf("find the host cluster, set --kubeconfig or use --standalone: %w", err)
	}
	client, err := kubernetes.NewForConfig(generic.ClientConfig)
	if err != nil {
		return fmt.Errorf("make a client of the host cluster: %w", err)
	}
	dynamicClient, err := dynamic.NewForConfig(generic.ClientConfig)
	if err != nil {
		return fmt.Errorf("make a dynamic client of the host cluster: %w", err)
	}
	if err := o.Features.ApplyTo(&generic.Config, client, generic.SharedInformerFactory); err != nil {
		return fmt.Errorf("set up priority and fairness: %w", err)
	}
	if err := o.Admission.ApplyTo(&generic.Config, generic.SharedInformerFactory, client, dynamicClient,
		generic.FeatureGate, generic.EffectiveVersion, quota.Initializer()); err != nil {
		return fmt.Errorf("set up admission: %w", err)
	}
	if err := o.applyRegistration(generic); err != nil {
		return err
	}
	return o.applyPermissionChecks(generic)
}

// CompletedConfig is a configuration that a server can be made of. Only Complete
// makes it.
type CompletedConfig struct {
	*completedConfig
}

type completedConfig struct {
	generic genericapiserver.CompletedConfig
	extra   *ExtraConfig
}

// Complete fills in what follows from the rest.
func (c *Config) Complete() CompletedConfig {
	return CompletedConfig{&completedConfig{generic: c.Generic.Complete(), extra: &c.Extra}}
}
