// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package roles

import (
	"slices"
	"strings"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// Allows tells whether the mapping allows a request, and which binding does.
func (m *Mapping) Allows(request authorizer.Attributes) (binding int, allowed bool) {
	for i := range m.Bindings {
		if m.Bindings[i].covers(request.GetUser()) && m.Bindings[i].allows(request) {
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

func (b *Binding) allows(request authorizer.Attributes) bool {
	if !request.IsResourceRequest() {
		return request.GetVerb() == "get" && (isDiscovery(request.GetPath()) || b.everywhereAdmin())
	}
	if request.GetAPIGroup() != v1alpha1.GroupName {
		return false
	}
	if isClusterScoped(request.GetResource()) {
		return b.everywhereAdmin()
	}
	if len(b.Namespaces) > 0 && !slices.Contains(b.Namespaces, request.GetNamespace()) {
		return false
	}
	switch request.GetVerb() {
	case "get", "list", "watch":
		return true
	case "create", "update", "patch", "delete", "deletecollection":
		return b.Role == Admin || b.Role == Edit && request.GetSubresource() != "status"
	default:
		return false
	}
}

func (b *Binding) everywhereAdmin() bool {
	return b.Role == Admin && len(b.Namespaces) == 0
}

// isClusterScoped is true of resources outside namespaces. Clusters say where
// everybody's deployments go and with what credentials, so they are the
// administrators'.
func isClusterScoped(resource string) bool {
	return resource == "clusters"
}

// isDiscovery is true of what clients read to find out what they may ask for.
func isDiscovery(path string) bool {
	root, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return slices.Contains([]string{"api", "apis", "openapi", "version"}, root)
}
