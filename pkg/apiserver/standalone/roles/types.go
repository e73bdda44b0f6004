// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package roles decides what users may do by a small file that maps users and
// groups to roles, for servers without a host cluster that could be asked.
package roles

import "k8s.io/apimachinery/pkg/util/sets"

const (
	// APIVersion is the version of the file's format.
	APIVersion = "authorization.oaas.io/v1alpha1"
	// Kind is the kind of the file's only document.
	Kind = "RoleMapping"
)

// Role is what somebody may do.
type Role string

const (
	// View reads objects of namespaces, with their status.
	View Role = "view"
	// Edit also writes packages and class deployments, but not their status.
	Edit Role = "edit"
	// Admin also writes their status. Where it is not limited to namespaces, it may
	// do everything with all resources, clusters among them, and read what is no
	// resource, such as /metrics.
	Admin Role = "admin"
)

// Mapping is the content of the file.
type Mapping struct {
	// APIVersion is authorization.oaas.io/v1alpha1.
	APIVersion string `json:"apiVersion"`
	// Kind is RoleMapping.
	Kind string `json:"kind"`
	// Bindings give roles to users and groups. What none of them allows is
	// forbidden. None at all leaves members of system:masters alone.
	Bindings []Binding `json:"bindings"`

	// namespaced are the resources that live in namespaces.
	namespaced sets.Set[string]
}

// Binding gives a role to users and groups.
type Binding struct {
	// Role is view, edit or admin.
	Role Role `json:"role"`
	// Users have the role. A user or a group is required.
	Users []string `json:"users,omitempty"`
	// Groups have the role.
	Groups []string `json:"groups,omitempty"`
	// Namespaces limit the role to objects in them. Defaults to all namespaces,
	// which also allows to list and watch across them.
	Namespaces []string `json:"namespaces,omitempty"`
}
