// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"cmp"
	"fmt"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// MisplacedError tells that a record is in a wrong namespace.
type MisplacedError struct {
	// Environment of the record.
	Environment string
	// Tenant that the record belongs to.
	Tenant string
	// Namespace that the record is in, and Wanted, the one that the environment has
	// for the tenant.
	Namespace, Wanted string
}

// Error names the namespace in which the record may be.
func (e *MisplacedError) Error() string {
	return fmt.Sprintf("namespace %q is not the one of tenant %q in environment %q: records of this tenant belong into namespace %q",
		e.Namespace, e.Tenant, e.Environment, e.Wanted)
}

// TenantOf is the namespace of the ClassDeployment that a record belongs to. A
// record that nobody planned belongs to the namespace that it is in.
func TenantOf(record *v1alpha1.DeploymentRecord) string {
	return cmp.Or(record.Spec.DeploymentUnit.Namespace, record.Namespace)
}

// Misplaced returns nil for a record that is where its environment puts it, and else
// a *MisplacedError, or a *NamespaceError where the environment puts it nowhere.
// Nothing may be made for such a record: its author may write into its namespace,
// which says nothing about the tenant that it names.
func (e Environment) Misplaced(record *v1alpha1.DeploymentRecord) error {
	tenant := TenantOf(record)
	wanted, err := e.NamespaceOf(tenant)
	if err != nil {
		return err
	}
	if wanted != record.Namespace {
		return &MisplacedError{Environment: e.Name, Tenant: tenant, Namespace: record.Namespace, Wanted: wanted}
	}
	return nil
}
