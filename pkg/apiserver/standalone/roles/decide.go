// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package roles

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// Allows tells whether the mapping allows a request, and which binding does.
func (m *Mapping) Allows(request authorizer.Attributes) (binding int, allowed bool) {
	for i := range m.Bindings {
		if m.Bindings[i].covers(request.GetUser()) && m.Bindings[i].allows(request, m.namespaced) {
			return i, true
		}
	}
	return 0, false
}

func (b *Binding) covers(who user.Info) bool {
	if who == nil {
		return false
	}
	if slices.Contains(b.Users, who.GetName()) {
		return true
	}
	return slices.ContainsFunc(who.GetGroups(), func(group string) bool { return slices.Contains(b.Groups, group) })
}

// allows tells whether the role allows a request, given which resources live in
// namespaces. Others are the administrators': clusters say where everybody's
// deployments go and with what credentials.
func (b *Binding) allows(request authorizer.Attributes, namespaced sets.Set[string]) bool {
	if !request.IsResourceRequest() {
		return request.GetVerb() == "get" && (isDiscovery(request.GetPath()) || b.everywhereAdmin())
	}
	reads := slices.Contains([]string{"get", "list", "watch"}, request.GetVerb())
	writes := slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, request.GetVerb())
	// A Class Runtime Manager that is known by a token reports for its Cluster.
	reports := request.GetVerb() == "report" && request.GetResource() == resources.Clusters
	switch {
	case request.GetAPIGroup() != v1alpha1.GroupName || !reads && !writes && !reports:
		return false
	case b.everywhereAdmin():
		return true
	case !namespaced.Has(request.GetResource()):
		return false
	case len(b.Namespaces) > 0 && !slices.Contains(b.Namespaces, request.GetNamespace()):
		return false
	case reads:
		return true
	case request.GetResource() != resources.Packages && request.GetResource() != resources.ClassDeployments:
		return false // the rest is written by the Package Manager
	default:
		return b.Role == Admin || b.Role == Edit && request.GetSubresource() != "status"
	}
}

func (b *Binding) everywhereAdmin() bool {
	return b.Role == Admin && len(b.Namespaces) == 0
}

// isDiscovery is true of what clients read to find out what they may ask for.
func isDiscovery(path string) bool {
	root, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return slices.Contains([]string{"api", "apis", "openapi", "version"}, root)
}
