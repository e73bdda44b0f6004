// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/environment"
	"oaas.io/oaas/pkg/crm/quota"
	"oaas.io/oaas/pkg/servingcert"
)

// SecretName is the Secret with the certificate authorities of the webhooks, which
// all copies of the program share. Deleting it makes them use another authority,
// without an interruption.
const SecretName = "oaas-crm-webhook-authority"

// Options are what a Server is made of.
type Options struct {
	// Address to listen on, host:port.
	Address string
	// Target is how the API server reaches the address.
	Target Target
	// Namespace of the Secret.
	Namespace string
	// Kube reaches the API server.
	Kube kubernetes.Interface
	// Scheme has the types of the objects.
	Scheme *runtime.Scheme
	// Reader has EnvironmentConfigs and templates.
	Reader client.Reader
	// Ledger keeps the quotas of environments.
	Ledger *quota.Ledger
	// Environments are the defaults of all environments.
	Environments environment.Defaults
	// Compile checks templates.
	Compile Compile
	// Clock tells the time.
	Clock clock.Clock
	// Log is where the server logs.
	Log logr.Logger
}

// Server answers the API server on every copy of the program.
type Server struct {
	options     Options
	host        string
	port        int
	certificate *servingcert.Certificate
}

// New returns a server that answers once it is started.
func New(options Options) (*Server, error) {
	host, portText, err := net.SplitHostPort(options.Address)
	if err != nil {
		return nil, fmt.Errorf("set up webhooks: %w", err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("set up webhooks: port of %s: %w", options.Address, err)
	}
	hosts, err := options.Target.hosts()
	if err != nil {
		return nil, fmt.Errorf("set up webhooks: %w", err)
	}
	return &Server{
		options: options, host: host, port: int(port),
		certificate: servingcert.New(servingcert.Config{
			Client: options.Kube, Namespace: options.Namespace, Secret: SecretName, Name: ConfigurationName, Hosts: hosts,
			Registration: configuration{
				client: options.Kube.AdmissionregistrationV1().ValidatingWebhookConfigurations(), target: options.Target,
			},
			FieldManager: fieldManager, Clock: options.Clock,
		}),
	}, nil
}

// hosts are the names that the API server calls.
func (t Target) hosts() ([]string, error) {
	if t.URL == "" {
		return []string{t.Service + "." + t.Namespace + ".svc"}, nil
	}
	parsed, err := url.Parse(t.URL)
	if err != nil {
		return nil, err
	}
	return []string{parsed.Hostname()}, nil
}

// NeedLeaderElection tells the manager that copies which do not lead answer too.
func (*Server) NeedLeaderElection() bool { return false }

// Start answers until ctx ends. The manager calls it when its caches are in sync.
func (s *Server) Start(ctx context.Context) error {
	ctx = logr.NewContext(ctx, s.options.Log)
	server := webhook.NewServer(webhook.Options{
		Host: s.host, Port: s.port,
		TLSOpts: []func(*tls.Config){func(c *tls.Config) {
			c.MinVersion = tls.VersionTLS12
			c.GetCertificate = s.certificate.GetCertificate
		}},
	})
	scheme := s.options.Scheme
	server.Register(pathOf(resourceTemplates), admission.WithValidator[*v1alpha1.DeploymentTemplate](scheme, templates{s.options.Compile}))
	server.Register(pathOf(resourceEnvironments), admission.WithValidator[*v1alpha1.EnvironmentConfig](scheme, environments{
		reader: s.options.Reader, defaults: s.options.Environments,
	}))
	server.Register(pathOf(resourceRecords), admission.WithValidator[*v1alpha1.DeploymentRecord](scheme, records{
		reader: s.options.Reader, ledger: s.options.Ledger, defaults: s.options.Environments, self: s.self(ctx),
	}))
	// It repeats what fails, and the API server goes on without us meanwhile.
	go s.certificate.Run(ctx)
	if err := server.Start(ctx); err != nil {
		return fmt.Errorf("serve webhooks on WEBHOOK_ADDRESS %s: %w", s.options.Address, err)
	}
	return nil
}

// self is the user that the program writes as; empty where the API server does not
// tell, and the program's own writes are looked at like any other's.
func (s *Server) self(ctx context.Context) string {
	review, err := s.options.Kube.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		s.options.Log.Info("own writes are validated like others': the API server does not tell who we are", "cause", err.Error())
		return ""
	}
	return review.Status.UserInfo.Username
}
