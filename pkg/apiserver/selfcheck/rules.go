// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package selfcheck

import (
	"slices"
)

// Manifest is the file that grants what the server needs.
const Manifest = "artifacts/kustomize/apiserver/rbac.yaml"

// Purpose is a part of the server that needs a permission.
type Purpose int

const (
	// Delegation asks the host cluster who a client is and what it may do.
	Delegation Purpose = iota
	// Admission applies the host cluster's rules for objects.
	Admission
	// Quota counts objects.
	Quota
	// Fairness shares the server among its clients.
	Fairness
	// Links lead to the clusters whose live records are served.
	Links
	// Controllers deploy classes.
	Controllers
	// Election finds the replica that runs the controllers.
	Election
	// Registration keeps the serving certificate and the APIService in agreement.
	Registration
)

// Rule is a permission in the host cluster, as a role has it: all the verbs on
// all the resources.
type Rule struct {
	// Name is that of the rule's readiness check, after "rbac-".
	Name string
	// Purpose is what it is needed for.
	Purpose Purpose
	// Role grants it, as people would look for it: its kind, its namespace if any,
	// and its name.
	Role string
	// Group is the API group; empty for the core group.
	Group string
	// Resources may have a subresource after a slash.
	Resources []string
	// Names restrict the rule to single objects; any when empty.
	Names []string
	// Namespace restricts the rule to one namespace; all, or cluster-wide, when
	// empty.
	Namespace string
	// Verbs are the verbs of Kubernetes' API.
	Verbs []string
}

// Scope is where the server's own objects are.
type Scope struct {
	// Namespace of the Service and of the certificate authorities' Secret.
	Namespace string
	// LeaseNamespace holds the lease of the election.
	LeaseNamespace string
	// Secret is the name of the certificate authorities' Secret.
	Secret string
	// APIService is the name of the server's registration.
	APIService string
}

const (
	serverRole    = "ClusterRole oaas-apiserver"
	delegatorRole = "ClusterRole system:auth-delegator"
	readerRole    = "Role kube-system/extension-apiserver-authentication-reader"
)

// Rules returns what the server needs for the given purposes. It is the one list
// that the manifest, the checks and the documentation are held against.
func Rules(scope Scope, purposes ...Purpose) []Rule {
	read := []string{"get", "list", "watch"}
	all := []Rule{
		{"tokenreviews", Delegation, delegatorRole, "authentication.k8s.io", []string{"tokenreviews"}, nil, "", []string{"create"}},
		{"subjectaccessreviews", Delegation, delegatorRole, "authorization.k8s.io", []string{"subjectaccessreviews"}, nil, "", []string{"create"}},
		{"client-authorities", Delegation, readerRole, "", []string{"configmaps"}, []string{"extension-apiserver-authentication"}, "kube-system", read},

		{"namespaces", Admission, serverRole, "", []string{"namespaces"}, nil, "", read},
		{"admission", Admission, serverRole, "admissionregistration.k8s.io", []string{
			"mutatingadmissionpolicies", "mutatingadmissionpolicybindings", "mutatingwebhookconfigurations",
			"validatingadmissionpolicies", "validatingadmissionpolicybindings", "validatingwebhookconfigurations",
		}, nil, "", read},
		{"quotas", Quota, serverRole, "", []string{"resourcequotas"}, nil, "", []string{"list", "watch"}},
		{"quota-usage", Quota, serverRole, "", []string{"resourcequotas/status"}, nil, "", []string{"update"}},

		{"flow-control", Fairness, serverRole, "flowcontrol.apiserver.k8s.io", []string{"flowschemas", "prioritylevelconfigurations"}, nil, "", read},
		{"flow-control-status", Fairness, serverRole, "flowcontrol.apiserver.k8s.io", []string{"flowschemas/status", "prioritylevelconfigurations/status"},
			nil, "", []string{"patch"}},

		{"cluster-credentials", Links, serverRole, "", []string{"secrets"}, nil, "", []string{"get"}},
		{"events", Controllers, serverRole, "events.k8s.io", []string{"events"}, nil, "", []string{"create", "patch"}},

		{"lease", Election, "Role " + scope.LeaseNamespace + "/oaas-apiserver:leader-election", "coordination.k8s.io", []string{"leases"},
			nil, scope.LeaseNamespace, []string{"create", "get", "update"}},

		{"registration", Registration, serverRole, "apiregistration.k8s.io", []string{"apiservices"}, []string{scope.APIService}, "",
			[]string{"get", "list", "watch", "update"}},
		{"authority-create", Registration, "Role " + scope.Namespace + "/oaas-apiserver:serving-certificate", "", []string{"secrets"},
			nil, scope.Namespace, []string{"create"}},
		{"authority", Registration, "Role " + scope.Namespace + "/oaas-apiserver:serving-certificate", "", []string{"secrets"},
			[]string{scope.Secret}, scope.Namespace, []string{"get", "list", "watch", "update"}},
	}
	return slices.DeleteFunc(all, func(r Rule) bool { return !slices.Contains(purposes, r.Purpose) })
}
