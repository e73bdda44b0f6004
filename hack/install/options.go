// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"

	"oaas.io/oaas/pkg/apiserver/registration"
)

// Values of --storage.
const (
	storageVolume    = "volume"
	storageEphemeral = "ephemeral"
)

const defaultName = "hub"

// options are what the command line says about the platform.
type options struct {
	apiserverImage, crmImage string
	storage                  string
	// name, environments and endpoint are those of the Cluster object.
	name         string
	environments []string
	endpoint     string
	// member leaves the Package Manager out; packageManagerCA is then the file
	// with the authority that signed the Package Manager's certificate.
	member           bool
	packageManagerCA string
	// reportEndpoint is where a member reports how its units are doing; nowhere if
	// it is empty. reportCA is the file with the authorities of that server.
	reportEndpoint string
	reportCA       string
	// prometheusURL is the Prometheus that the Class Runtime Manager needs from then
	// on; none if it is empty.
	prometheusURL     string
	deleteDeployments bool
	timeout           time.Duration
}

func (o *options) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.apiserverImage, "apiserver-image", "", "image of the Package Manager; default: the one in the manifests")
	flags.StringVar(&o.crmImage, "crm-image", "", "image of the Class Runtime Manager; default: the one in the manifests")
	flags.StringVar(&o.storage, "storage", storageVolume,
		"where packages are stored: volume (a claim for the default storage class) or ephemeral (lost when the pod goes; for trials)")
	flags.StringVar(&o.name, "name", "", "name of the Cluster object of this cluster; default: "+defaultName+", and none with --member")
	flags.StringSliceVar(&o.environments, "environments", nil, "environments that this cluster hosts; default: any")
	flags.BoolVar(&o.member, "member", false, "install a Class Runtime Manager only, and print the Cluster object to apply where the Package Manager is")
	flags.StringVar(&o.endpoint, "endpoint", "", "host:port at which the Package Manager reaches this cluster's Class Runtime Manager; with --member")
	flags.StringVar(&o.packageManagerCA, "package-manager-ca", "", "file with the Package Manager's certificate authority, PEM; with --member")
	flags.StringVar(&o.reportEndpoint, "report-endpoint", "",
		"host:port at which this cluster reaches the Package Manager's port "+packageManagerGRPCPort+", to report how its units are doing; with --member; default: it does not report")
	flags.StringVar(&o.reportCA, "report-ca", "", "file with the authorities of the Package Manager's serving certificate, PEM; with --report-endpoint")
	flags.StringVar(&o.prometheusURL, "prometheus-url", "", "URL of a Prometheus; the Class Runtime Manager is ready only while it answers; default: it does without")
	flags.BoolVar(&o.deleteDeployments, "delete-deployments", false, "with --uninstall: delete all deployments first")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "time for everything together")
}

// validate refuses what cannot work, with everything that is wrong.
func (o *options) validate() error {
	var problems []error
	if o.storage != storageVolume && o.storage != storageEphemeral {
		problems = append(problems, fmt.Errorf("--storage %q: must be %s or %s", o.storage, storageVolume, storageEphemeral))
	}
	if o.timeout <= 0 {
		problems = append(problems, fmt.Errorf("--timeout %s: must be more than 0", o.timeout))
	}
	if err := validatePrometheus(o.prometheusURL); err != nil {
		problems = append(problems, err)
	}
	switch {
	case o.member && o.name == "":
		problems = append(problems, errors.New("--member needs --name, the name of this cluster among all"))
	case o.name == "":
		o.name = defaultName
	}
	for _, fault := range validation.IsDNS1123Subdomain(o.name) {
		if o.name != "" {
			problems = append(problems, fmt.Errorf("--name %q: %s", o.name, fault))
		}
	}
	if o.member {
		problems = append(problems, o.validateMember()...)
	} else if o.endpoint != "" || o.packageManagerCA != "" || o.reportEndpoint != "" || o.reportCA != "" {
		problems = append(problems, errors.New("--endpoint, --package-manager-ca, --report-endpoint and --report-ca are for --member only: "+
			"without it the two programs are neighbours"))
	}
	return errors.Join(problems...)
}

func (o *options) validateMember() []error {
	var problems []error
	if !hasPort(o.endpoint) {
		problems = append(problems, fmt.Errorf("--endpoint %q: --member needs the host:port at which the Package Manager reaches this cluster, such as crm.west.example:8081", o.endpoint))
	}
	if o.packageManagerCA == "" {
		problems = append(problems, fmt.Errorf("--member needs --package-manager-ca; get the file where the Package Manager is:\n  %s", printAuthority))
	}
	switch {
	case o.reportEndpoint == "" && o.reportCA == "":
	case !hasPort(o.reportEndpoint):
		problems = append(problems, fmt.Errorf("--report-endpoint %q: must be the host:port at which this cluster reaches the Package Manager, such as pm.example:%s",
			o.reportEndpoint, packageManagerGRPCPort))
	case o.reportCA == "":
		problems = append(problems, fmt.Errorf("--report-endpoint needs --report-ca; get the file where the Package Manager is:\n  %s", printServingAuthorities))
	}
	return problems
}

func hasPort(endpoint string) bool {
	host, port, err := net.SplitHostPort(endpoint)
	return err == nil && host != "" && port != ""
}

// printAuthority is the command that prints the hub's certificate authority.
const printAuthority = "kubectl get secret -n " + namespace + " " + authoritySecret + ` -o jsonpath='{.data.tls\.crt}' | base64 -d`

// printServingAuthorities is the command that prints the authorities of the hub's
// serving certificate.
const printServingAuthorities = "kubectl get secret -n " + namespace + " " + registration.SecretName + ` -o jsonpath='{.data.ca\.crt}' | base64 -d`

// readAuthority returns the certificates in the file of a flag.
func readAuthority(flag, file string) ([]byte, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading --%s: %w", flag, err)
	}
	block, _ := pem.Decode(content)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("--%s %s holds no PEM certificate", flag, file)
	}
	if strings.Contains(string(content), "PRIVATE KEY") {
		return nil, fmt.Errorf("--%s %s holds a private key, which must not leave its cluster: give the certificate alone", flag, file)
	}
	return content, nil
}
