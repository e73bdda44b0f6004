// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package selfcheck_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"oaas.io/oaas/pkg/apiserver/registration"
	"oaas.io/oaas/pkg/apiserver/selfcheck"
)

var everything = []selfcheck.Purpose{
	selfcheck.Delegation, selfcheck.Admission, selfcheck.Quota, selfcheck.Fairness, selfcheck.Links, selfcheck.Controllers, selfcheck.Election, selfcheck.Registration,
}

func manifestScope() selfcheck.Scope {
	return selfcheck.Scope{
		Namespace: "oaas-system", LeaseNamespace: "oaas-system", Secret: registration.SecretName, APIService: "v1alpha1.pm.oaas.io",
	}
}

// What the server checks is what the manifest grants, no less and no more.
func TestTheManifestGrantsWhatIsChecked(t *testing.T) {
	granted, bound := readManifest(t)
	checked, needed := map[string]bool{}, map[string]bool{}
	for _, rule := range selfcheck.Rules(manifestScope(), everything...) {
		needed[rule.Role] = true
		if !bound[rule.Role] {
			t.Errorf("nothing binds %s, which %s needs", rule.Role, rule.Name)
		}
		// Kubernetes' own roles are not in the manifest.
		if strings.Contains(rule.Role, "oaas-apiserver") {
			for _, permission := range permissions(rule.Role, []string{rule.Group}, rule.Resources, rule.Names, rule.Verbs) {
				checked[permission] = true
			}
		}
	}
	for role := range bound {
		if !needed[role] {
			t.Errorf("the manifest binds %s, which no check needs", role)
		}
	}
	for permission := range checked {
		if !granted[permission] {
			t.Errorf("the manifest does not grant: %s", permission)
		}
	}
	for permission := range granted {
		if !checked[permission] {
			t.Errorf("nothing checks: %s", permission)
		}
	}
}

func TestEachRuleHasANameOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, rule := range selfcheck.Rules(manifestScope(), everything...) {
		if seen[rule.Name] {
			t.Errorf("two rules are called %s", rule.Name)
		}
		seen[rule.Name] = true
	}
}

func TestOnlyWhatIsInUseIsNeeded(t *testing.T) {
	for _, rule := range selfcheck.Rules(manifestScope(), selfcheck.Delegation, selfcheck.Fairness) {
		if rule.Purpose != selfcheck.Delegation && rule.Purpose != selfcheck.Fairness {
			t.Errorf("%s is checked though nothing uses it", rule.Name)
		}
	}
}

// permissions are single ones, as text that can be compared.
func permissions(role string, groups, resources, names, verbs []string) []string {
	if len(names) == 0 {
		names = []string{"*"}
	}
	var list []string
	for _, group := range groups {
		for _, resource := range resources {
			for _, name := range names {
				for _, verb := range verbs {
					list = append(list, strings.Join([]string{role, group, resource, name, verb}, " | "))
				}
			}
		}
	}
	return list
}

// readManifest returns the permissions that the server's roles grant, and the
// roles that are bound to it.
func readManifest(t *testing.T) (granted, bound map[string]bool) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "..", filepath.FromSlash(selfcheck.Manifest)))
	if err != nil {
		t.Fatal(err)
	}
	granted, bound = map[string]bool{}, map[string]bool{}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return granted, bound
		}
		if err != nil {
			t.Fatal(err)
		}
		// The fields that these kinds have are the same in both scopes.
		var object struct {
			rbacv1.Role `json:",inline"`
			RoleRef     rbacv1.RoleRef   `json:"roleRef"`
			Subjects    []rbacv1.Subject `json:"subjects"`
		}
		if err := yaml.Unmarshal(document, &object); err != nil {
			t.Fatal(err)
		}
		switch object.Kind {
		case "Role", "ClusterRole":
			for _, rule := range object.Rules {
				for _, permission := range permissions(roleName(object.Kind, object.Namespace, object.Name),
					rule.APIGroups, rule.Resources, rule.ResourceNames, rule.Verbs) {
					granted[permission] = true
				}
			}
		case "RoleBinding", "ClusterRoleBinding":
			if slices.ContainsFunc(object.Subjects, func(s rbacv1.Subject) bool { return s.Name == "oaas-apiserver" && s.Namespace == "oaas-system" }) {
				bound[roleName(object.RoleRef.Kind, object.Namespace, object.RoleRef.Name)] = true
			}
		}
	}
}

func roleName(kind, namespace, name string) string {
	if kind == "Role" {
		return kind + " " + namespace + "/" + name
	}
	return kind + " " + name
}
