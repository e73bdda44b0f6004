// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"errors"
	"fmt"
	"net"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/component-base/cli/flag"
	"k8s.io/component-base/compatibility"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/component-base/metrics"
	baseversion "k8s.io/component-base/version"

	"oaas.io/oaas/pkg/apiserver/embeddedetcd"
	"oaas.io/oaas/pkg/apiserver/etcdauth"
	"oaas.io/oaas/pkg/apiserver/quota"
	"oaas.io/oaas/pkg/apiserver/registration"
	"oaas.io/oaas/pkg/apiserver/selfcheck"
	"oaas.io/oaas/pkg/apiserver/standalone"
)

const (
	// storagePrefix is where objects are kept in etcd, by resource.
	storagePrefix = "/registry/pm.oaas.io"
	// defaultPort is where the server listens unless told otherwise; above 1024
	// so that it needs no privilege.
	defaultPort = 6443
	// http2Streams is the number of requests that one connection carries at a
	// time. kube-apiserver sends the requests of all clients, watches among them,
	// through very few connections.
	http2Streams = 1000
	// watchGrace is how long open watches get at the end. Without it they would
	// hold up the shutdown for as long as a request may take, which is longer
	// than Kubernetes waits before it kills a pod.
	watchGrace = 10 * time.Second
)

// Options are what the command line says. NewOptions makes them, with defaults.
type Options struct {
	// ServerRun are limits, timeouts and the order of shutdown.
	ServerRun *genericoptions.ServerRunOptions
	// Etcd is where objects are stored.
	Etcd *genericoptions.EtcdOptions
	// EtcdAuth is the etcd user that the server is.
	EtcdAuth *etcdauth.Options
	// EmbeddedEtcd runs an etcd within the server instead.
	EmbeddedEtcd *embeddedetcd.Options
	// SecureServing is where the server listens.
	SecureServing *genericoptions.SecureServingOptionsWithLoopback
	// Authentication asks the host cluster who a client is.
	Authentication *genericoptions.DelegatingAuthenticationOptions
	// Authorization asks the host cluster what a client may do.
	Authorization *genericoptions.DelegatingAuthorizationOptions
	// TrustFrontProxy spares a review of what kube-apiserver has authorized. Defaults
	// to true.
	TrustFrontProxy bool
	// Audit writes down who did what.
	Audit *genericoptions.AuditOptions
	// Features are profiling, and priority and fairness.
	Features *genericoptions.FeatureOptions
	// CoreAPI is how the host cluster is reached.
	CoreAPI *genericoptions.CoreAPIOptions
	// Admission are the admission plugins.
	Admission *genericoptions.AdmissionOptions
	// Traces exports spans.
	Traces *genericoptions.TracingOptions
	// Metrics says which metrics are served.
	Metrics *metrics.Options
	// Logs says what is logged and how.
	Logs *logsapi.LoggingConfiguration
	// Controllers are the controllers that run in the server.
	Controllers *ControllerOptions
	// Reports say where Class Runtime Managers report.
	Reports *ReportOptions
	// Standalone runs the server without a host cluster.
	Standalone bool
	// Registration issues the serving certificate, and keeps what kube-apiserver
	// trusts in agreement with it.
	Registration *registration.Options
	// PermissionCheckInterval is how often the server asks what it may do in the
	// host cluster. Defaults to 5 minutes.
	PermissionCheckInterval time.Duration
	// StandaloneAccess says who is asked then about clients.
	StandaloneAccess *standalone.Options
}

// NewOptions returns the defaults.
func NewOptions() *Options {
	secureServing := genericoptions.NewSecureServingOptions()
	secureServing.BindPort = defaultPort
	secureServing.HTTP2MaxStreamsPerConnection = http2Streams
	// A certificate made at start is kept in memory: a pod's file system is read-only.
	secureServing.ServerCert.CertDirectory = ""

	// The codec is chosen for each resource by the storage factory.
	etcd := genericoptions.NewEtcdOptions(storagebackend.NewDefaultConfig(storagePrefix, nil))
	etcd.DefaultStorageMediaType = runtime.ContentTypeProtobuf

	// The registry is this server's own; the feature gate is the one that the
	// Kubernetes libraries consult.
	components := compatibility.NewComponentGlobalsRegistry()
	components.ComponentGlobalsOrRegister(compatibility.DefaultKubeComponent,
		compatibility.NewEffectiveVersionFromString(baseversion.DefaultKubeBinaryVersion, "", ""),
		utilfeature.DefaultMutableFeatureGate)

	serverRun := genericoptions.NewServerRunOptionsForComponent(compatibility.DefaultKubeComponent, components)
	serverRun.ShutdownWatchTerminationGracePeriod = watchGrace

	admission := genericoptions.NewAdmissionOptions()
	quota.Register(admission)

	return &Options{
		TrustFrontProxy: true,
		ServerRun:       serverRun,
		Etcd:            etcd,
		EtcdAuth:        &etcdauth.Options{},
		EmbeddedEtcd:    &embeddedetcd.Options{},
		SecureServing:   secureServing.WithLoopback(),
		Authentication:  genericoptions.NewDelegatingAuthenticationOptions(),
		Authorization:   genericoptions.NewDelegatingAuthorizationOptions(),
		Audit:           genericoptions.NewAuditOptions(),
		Features:        genericoptions.NewFeatureOptions(),
		CoreAPI:         genericoptions.NewCoreAPIOptions(),
		Admission:       admission,
		Traces:          genericoptions.NewTracingOptions(),
		Metrics:         metrics.NewOptions(),
		Logs:            logsapi.NewLoggingConfiguration(),
		Controllers:     NewControllerOptions(),
		Reports:         NewReportOptions(),

		Registration:     registration.NewOptions(),
		StandaloneAccess: &standalone.Options{},

		PermissionCheckInterval: selfcheck.DefaultInterval,
	}
}

// Flags returns the flags, grouped for the help text.
func (o *Options) Flags() flag.NamedFlagSets {
	var groups flag.NamedFlagSets
	o.ServerRun.AddUniversalFlags(groups.FlagSet("generic"))
	groups.FlagSet("generic").BoolVar(&o.Standalone, "standalone", o.Standalone,
		"Run without a host cluster: clients are known by certificates that --client-ca-file signed and by tokens of the issuers "+
			"in --authentication-config, members of system:masters may do everything, others what --authorization-roles-file and "+
			"--authorization-webhook-config-file allow, and there is neither admission control nor leader election.")
	o.Etcd.AddFlags(groups.FlagSet("etcd"))
	o.EtcdAuth.AddFlags(groups.FlagSet("etcd"))
	o.EmbeddedEtcd.AddFlags(groups.FlagSet("etcd"))
	o.SecureServing.AddFlags(groups.FlagSet("secure serving"))
	o.Registration.AddFlags(groups.FlagSet("secure serving"))
	o.Authentication.AddFlags(groups.FlagSet("authentication"))
	o.StandaloneAccess.AddAuthenticationFlags(groups.FlagSet("authentication"))
	o.Authorization.AddFlags(groups.FlagSet("authorization"))
	o.StandaloneAccess.AddAuthorizationFlags(groups.FlagSet("authorization"))
	groups.FlagSet("authorization").BoolVar(&o.TrustFrontProxy, "trust-front-proxy", o.TrustFrontProxy,
		"Do not ask the host cluster again about requests that kube-apiserver authorized before it passed them on.")
	o.Audit.AddFlags(groups.FlagSet("auditing"))
	o.Features.AddFlags(groups.FlagSet("features"))
	o.CoreAPI.AddFlags(groups.FlagSet("host cluster"))
	groups.FlagSet("host cluster").DurationVar(&o.PermissionCheckInterval, "permission-check-interval", o.PermissionCheckInterval,
		"How often to ask what the server may do in the host cluster; /readyz names what is missing.")
	o.Admission.AddFlags(groups.FlagSet("admission"))
	o.Traces.AddFlags(groups.FlagSet("traces"))
	o.Metrics.AddFlags(groups.FlagSet("metrics"))
	logsapi.AddFlags(o.Logs, groups.FlagSet("logs"))
	o.Controllers.AddFlags(groups.FlagSet("controllers"))
	o.Reports.AddFlags(groups.FlagSet("reports of clusters"))
	return groups
}

// CompletedOptions are options that are consistent. Only Complete makes them.
type CompletedOptions struct {
	*completedOptions
}

type completedOptions struct {
	Options
}

// Complete derives what follows from other options.
func (o *Options) Complete() (CompletedOptions, error) {
	completed := completedOptions{*o}
	if err := completed.ServerRun.DefaultAdvertiseAddress(completed.SecureServing.SecureServingOptions); err != nil {
		return CompletedOptions{}, fmt.Errorf("choose an address to advertise, set --advertise-address: %w", err)
	}
	if err := completed.SecureServing.MaybeDefaultWithSelfSignedCerts(
		completed.ServerRun.AdvertiseAddress.String(), []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)},
	); err != nil {
		return CompletedOptions{}, fmt.Errorf("make a serving certificate, set --tls-cert-file and --tls-private-key-file: %w", err)
	}
	if completed.EmbeddedEtcd.Enabled && len(completed.Etcd.StorageConfig.Transport.ServerList) == 0 {
		etcd := *completed.Etcd
		etcd.StorageConfig.Transport.ServerList = []string{completed.EmbeddedEtcd.Endpoint()}
		completed.Etcd = &etcd
	}
	if completed.Standalone {
		if err := completed.completeStandalone(); err != nil {
			return CompletedOptions{}, err
		}
	}
	return CompletedOptions{&completed}, nil
}

// completeStandalone leaves out everything that asks a host cluster, even one
// that the server finds because it runs in a pod. A front proxy may say who a
// client is, but what it may do is decided here: no other has authorized it.
func (o *completedOptions) completeStandalone() error {
	if o.CoreAPI.CoreAPIKubeconfigPath != "" || o.Authentication.RemoteKubeConfigFile != "" || o.Authorization.RemoteKubeConfigFile != "" {
		return errors.New("--standalone asks no cluster: remove --kubeconfig, --authentication-kubeconfig and --authorization-kubeconfig")
	}
	etcd, authentication, features, controllers := *o.Etcd, *o.Authentication, *o.Features, *o.Controllers
	// What only a garbage collector ends, such as a delete in the foreground, would
	// never end.
	etcd.EnableGarbageCollection = false
	authentication.SkipInClusterLookup = true
	features.EnablePriorityAndFairness = false
	controllers.LeaderElect = false

	o.Etcd, o.Authentication, o.Features, o.Controllers = &etcd, &authentication, &features, &controllers
	o.TrustFrontProxy = false
	o.CoreAPI, o.Admission = nil, nil
	return nil
}

// Validate returns everything that is wrong with the options.
func (o CompletedOptions) Validate() error {
	var errs []error
	errs = append(errs, o.ServerRun.Validate()...)
	errs = append(errs, o.ServerRun.ComponentGlobalsRegistry.Validate()...)
	errs = append(errs, o.Etcd.Validate()...)
	errs = append(errs, o.EtcdAuth.Validate(o.EmbeddedEtcd.Enabled, o.Etcd.EtcdServersOverrides)...)
	errs = append(errs, o.EmbeddedEtcd.Validate(o.Etcd.StorageConfig.Transport.ServerList)...)
	errs = append(errs, o.SecureServing.Validate()...)
	errs = append(errs, o.Registration.Validate(o.Standalone, o.SecureServing.ServerCert.CertKey.CertFile)...)
	errs = append(errs, o.Authentication.Validate()...)
	errs = append(errs, o.Authorization.Validate()...)
	errs = append(errs, o.Audit.Validate()...)
	errs = append(errs, o.Features.Validate()...)
	errs = append(errs, o.CoreAPI.Validate()...)
	errs = append(errs, o.Admission.Validate()...)
	errs = append(errs, o.Traces.Validate()...)
	errs = append(errs, o.Metrics.Validate()...)
	errs = append(errs, o.Controllers.Validate()...)
	errs = append(errs, o.Reports.Validate()...)
	if o.PermissionCheckInterval <= 0 {
		errs = append(errs, fmt.Errorf("--permission-check-interval %s: must be more than 0, such as %s",
			o.PermissionCheckInterval, selfcheck.DefaultInterval))
	}
	errs = append(errs, o.StandaloneAccess.Validate(o.Standalone, o.Authentication.ClientCert.ClientCA)...)
	return utilerrors.NewAggregate(errs)
}
