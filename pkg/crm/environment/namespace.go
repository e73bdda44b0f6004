// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	// systemPrefix starts the names that Kubernetes keeps for itself.
	systemPrefix = "kube-"
	// hashLength is in characters of 5 bits. Tenants choose their names, so the hash
	// has to stand up to one that is looked for.
	hashLength = 24
	// cutLength is what a name that is cut has left of itself; with a hyphen and the
	// hash it has exactly the greatest length of a label.
	cutLength = validation.DNS1123LabelMaxLength - hashLength - 1
)

// NamespaceError tells why an environment has no namespace for a tenant.
type NamespaceError struct {
	// Environment that was asked.
	Environment string
	// Tenant is the namespace of the ClassDeployment.
	Tenant string
	// Problem says what is wrong and what to do about it.
	Problem string
}

// Error names the environment, the tenant and the remedy.
func (e *NamespaceError) Error() string {
	return fmt.Sprintf("environment %q has no namespace for tenant %q: %s", e.Environment, e.Tenant, e.Problem)
}

// NamespaceOf is the namespace of this cluster in which the records of a tenant
// run; a tenant is a namespace of ClassDeployments. It is a DNS label, never one of
// Kubernetes' own, nor by a rule the program's, and no two tenants of the environment
// share one unless the mapping is fixed. The error is a *NamespaceError.
func (e Environment) NamespaceOf(tenant string) (string, error) {
	return e.Tenancy().NamespaceOf(tenant)
}

// NamespaceOf is the namespace of this cluster in which the records of a tenant run.
// The error is a *NamespaceError.
func (t Tenancy) NamespaceOf(tenant string) (string, error) {
	namespace, problem := t.mapped(tenant)
	if problem == "" {
		problem = unusable(namespace)
	}
	if problem != "" {
		return "", &NamespaceError{Environment: t.Environment, Tenant: tenant, Problem: problem}
	}
	return namespace, nil
}

// mapped is where the mapping puts a tenant, or why it puts it nowhere.
func (t Tenancy) mapped(tenant string) (namespace, problem string) {
	mapping := t.Mapping
	if own, ok := mapping.Tenants[tenant]; ok {
		if others := tenantsOf(mapping.Tenants, own); len(others) > 1 {
			return "", fmt.Sprintf("namespaces.tenants maps %s to %q: give each a namespace of its own", strings.Join(others, " and "), own)
		}
		return own, ""
	}
	switch {
	case mapping.OnlyTenants:
		return "", "namespaces.onlyTenants is set and namespaces.tenants does not name it: add it there"
	case mapping.Fixed != "":
		return mapping.Fixed, ""
	case tenant == "":
		return "", "the deployment unit names no namespace: set deploymentUnit.namespace or a fixed namespace"
	case len(validation.IsDNS1123Label(tenant)) > 0:
		return "", "it is no DNS label: use lower case letters, digits and hyphens, at most 63"
	}
	namespace = tenant
	if mapping.Prefix != "" || mapping.Suffix != "" {
		namespace = fit(mapping.Prefix + tenant + mapping.Suffix)
	}
	if namespace == t.OwnNamespace {
		return "", fmt.Sprintf("%q is the Class Runtime Manager's own, whose Secrets are there: add an entry for the tenant in namespaces.tenants", namespace)
	}
	if others := tenantsOf(mapping.Tenants, namespace); len(others) > 0 {
		return "", fmt.Sprintf("its namespace would be %q, which namespaces.tenants gives to %s: add an entry for it there", namespace, others[0])
	}
	return namespace, ""
}

// fit cuts a name that is too long for a label and makes up for it with a hash of
// the whole. A name of exactly the greatest length is cut too: that length is left
// to the cut ones, so that nobody can choose a name that another's becomes.
func fit(name string) string {
	if len(name) < validation.DNS1123LabelMaxLength {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	hash := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:hashLength])
	return name[:cutLength] + "-" + hash
}

// unusable says why no record may run in a namespace; empty for one that will do.
func unusable(namespace string) string {
	if problems := validation.IsDNS1123Label(namespace); len(problems) > 0 {
		return fmt.Sprintf("%q is no name of a namespace: %s", namespace, strings.Join(problems, ", "))
	}
	if strings.HasPrefix(namespace, systemPrefix) {
		return fmt.Sprintf("%q is a namespace of Kubernetes itself: use one that does not start with %s", namespace, systemPrefix)
	}
	return ""
}

// tenantsOf are the tenants with an entry for a namespace, sorted and quoted.
func tenantsOf(tenants map[string]string, namespace string) []string {
	var found []string
	for _, tenant := range slices.Sorted(maps.Keys(tenants)) {
		if tenants[tenant] == namespace {
			found = append(found, fmt.Sprintf("%q", tenant))
		}
	}
	return found
}
