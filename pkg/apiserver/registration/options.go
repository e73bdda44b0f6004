// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Options say whether the server issues its own serving certificate.
type Options struct {
	// Managed lets the server issue its serving certificate and keep the caBundle of
	// its APIService right. Defaults to false.
	Managed bool
	// Namespace and Service are the Service that the APIService leads to; the
	// namespace also holds the certificate authorities. Default to oaas-system and
	// oaas-apiserver.
	Namespace, Service string
}

// NewOptions returns the defaults.
func NewOptions() *Options {
	return &Options{Namespace: "oaas-system", Service: "oaas-apiserver"}
}

// AddFlags adds the flags to a flag set.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.Managed, "managed-serving-certificate", o.Managed,
		"Issue the serving certificate by an authority of the server's own, kept in the host cluster's Secret "+SecretName+
			", and keep the caBundle of the server's APIService right. Of no effect with --tls-cert-file.")
	fs.StringVar(&o.Namespace, "service-namespace", o.Namespace,
		"Namespace of the Service that the APIService leads to, with --managed-serving-certificate.")
	fs.StringVar(&o.Service, "service-name", o.Service,
		"Name of the Service that the APIService leads to, with --managed-serving-certificate.")
}

// Active says whether a server with the given --tls-cert-file issues its own
// certificate.
func (o *Options) Active(certFile string) bool { return o.Managed && certFile == "" }

// Validate returns everything that is wrong with the options.
func (o *Options) Validate(standalone bool, certFile string) []error {
	if !o.Active(certFile) {
		return nil
	}
	if standalone {
		return []error{errors.New("--managed-serving-certificate needs a host cluster, and --standalone is without one: " +
			"give --tls-cert-file and --tls-private-key-file")}
	}
	var errs []error
	for _, fault := range validation.IsDNS1123Label(o.Namespace) {
		errs = append(errs, fmt.Errorf("--service-namespace %q: %s", o.Namespace, fault))
	}
	for _, fault := range validation.IsDNS1035Label(o.Service) {
		errs = append(errs, fmt.Errorf("--service-name %q: %s", o.Service, fault))
	}
	return errs
}
