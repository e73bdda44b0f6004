// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/pm"
)

const (
	minTimeout = time.Second
	maxTimeout = 5 * time.Minute
)

// ValidateCluster returns everything that is wrong with a new cluster. Its name
// has no dots, because <cluster>.<record> names the records that it runs.
func ValidateCluster(c *pm.Cluster) field.ErrorList {
	errs := apivalidation.ValidateObjectMeta(&c.ObjectMeta, false, apivalidation.NameIsDNSLabel, field.NewPath("metadata"))
	return append(errs, validateClusterSpec(&c.Spec, field.NewPath("spec"))...)
}

// ValidateClusterUpdate returns everything that is wrong with a changed cluster.
func ValidateClusterUpdate(updated, _ *pm.Cluster) field.ErrorList {
	return validateClusterSpec(&updated.Spec, field.NewPath("spec"))
}

// ValidateClusterStatusUpdate returns everything that is wrong with a changed
// status.
func ValidateClusterStatusUpdate(updated, _ *pm.Cluster) field.ErrorList {
	status, path := &updated.Status, field.NewPath("status")
	errs := validateObservedGeneration(status.ObservedGeneration, updated.Generation, path)
	errs = append(errs, validateConditions(status.Conditions, path)...)
	if status.Availability != "" {
		errs = append(errs, validateFraction(status.Availability, path.Child("availability"))...)
	}
	return append(errs, validateRange(status.ReadyNodes, 0, max(status.NodeCount, 0), path.Child("readyNodes"))...)
}

func validateClusterSpec(spec *pm.ClusterSpec, path *field.Path) field.ErrorList {
	errs := validateEndpoint(spec.Endpoint, path.Child("endpoint"))
	if spec.TLS != nil {
		errs = append(errs, validateClusterTLS(spec.TLS, path.Child("tls"))...)
	}
	if spec.Auth != nil {
		errs = append(errs, validateClusterAuth(spec, path)...)
	}
	if spec.Timeout != nil && (spec.Timeout.Duration < minTimeout || spec.Timeout.Duration > maxTimeout) {
		errs = append(errs, field.Invalid(path.Child("timeout"), spec.Timeout.Duration.String(),
			fmt.Sprintf("must be between %s and %s", minTimeout, maxTimeout)))
	}
	return errs
}

func validateEndpoint(endpoint string, path *field.Path) field.ErrorList {
	const remedy = "write host:port without a scheme, such as crm.oaas-system.svc:8088"
	if endpoint == "" {
		return field.ErrorList{field.Required(path, remedy)}
	}
	if strings.Contains(endpoint, "://") {
		return field.ErrorList{field.Invalid(path, endpoint, remedy+"; TLS is a matter of spec.tls")}
	}
	host, portText, err := net.SplitHostPort(endpoint)
	if err != nil {
		return field.ErrorList{field.Invalid(path, endpoint, remedy)}
	}
	var errs field.ErrorList
	if net.ParseIP(host) == nil && len(validation.IsDNS1123Subdomain(strings.ToLower(host))) > 0 {
		errs = append(errs, field.Invalid(path, endpoint, fmt.Sprintf("%q is neither an IP address nor a DNS name: %s", host, remedy)))
	}
	if port, err := strconv.ParseUint(portText, 10, 16); err != nil || port == 0 {
		errs = append(errs, field.Invalid(path, endpoint, fmt.Sprintf("port %q is not between 1 and 65535", portText)))
	}
	return errs
}

func validateClusterTLS(tls *pm.ClusterTLS, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(tls.CABundle) > 0 {
		if err := parseCertificates(tls.CABundle); err != nil {
			errs = append(errs, field.Invalid(path.Child("caBundle"), fmt.Sprintf("<%d bytes>", len(tls.CABundle)),
				fmt.Sprintf("%v: give PEM certificates, base64-encoded as a whole", err)))
		}
	}
	if tls.ServerName != "" && net.ParseIP(tls.ServerName) == nil {
		errs = append(errs, invalidFor(tls.ServerName, path.Child("serverName"), validation.IsDNS1123Subdomain(tls.ServerName))...)
	}
	return errs
}

// parseCertificates reports the first block that is no certificate. A bundle in
// which one block is unreadable is refused: the client would ignore that block,
// and fail much later.
func parseCertificates(bundle []byte) error {
	count := 0
	for rest := bundle; ; count++ {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			if count == 0 {
				return fmt.Errorf("holds no PEM block")
			}
			return nil
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("block %d is a %s", count+1, block.Type)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("block %d: %w", count+1, err)
		}
	}
}

func validateClusterAuth(spec *pm.ClusterSpec, path *field.Path) field.ErrorList {
	auth, authPath := spec.Auth, path.Child("auth")
	secretPath := authPath.Child("secretRef")
	var errs field.ErrorList
	switch auth.Type {
	case pm.ClusterAuthBearer, pm.ClusterAuthBasic, pm.ClusterAuthCertificate:
		if auth.SecretRef == nil {
			errs = append(errs, field.Required(secretPath, fmt.Sprintf("%s takes its credentials from a Secret", auth.Type)))
		}
		if spec.TLS == nil {
			errs = append(errs, field.Required(path.Child("tls"), fmt.Sprintf("%s would send credentials in plain text: set tls, at least to {}", auth.Type)))
		}
	case pm.ClusterAuthNone:
	}
	return errs
}
