// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package roles

import (
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

const mapping = `
apiVersion: authorization.oaas.io/v1alpha1
kind: RoleMapping
bindings:
- role: admin
  groups: [platform]
- role: admin
  users: [shop-owner]
  namespaces: [shop]
- role: edit
  groups: [developers]
  users: [ci]
  namespaces: [shop, shop-staging]
- role: edit
  users: [everywhere]
- role: view
  groups: [system:authenticated]
`

// ask parses "verb resource[/subresource] [in namespace]" or "verb /path".
func ask(who, question string) authorizer.AttributesRecord {
	words := strings.Fields(question)
	request := authorizer.AttributesRecord{Verb: words[0]}
	name, group, _ := strings.Cut(who, " of ")
	if name != "" {
		request.User = &user.DefaultInfo{Name: name, Groups: append(strings.Fields(group), user.AllAuthenticated)}
	}
	if strings.HasPrefix(words[1], "/") {
		request.Path = words[1]
		return request
	}
	request.ResourceRequest = true
	request.Resource, request.Subresource, _ = strings.Cut(words[1], "/")
	var foreign bool
	if request.Resource, request.APIGroup, foreign = strings.Cut(request.Resource, "."); !foreign {
		request.APIGroup = "pm.oaas.io"
	}
	if len(words) == 4 {
		request.Namespace = words[3]
	}
	return request
}

func TestRolesAllow(t *testing.T) {
	loaded, err := Load([]byte(mapping))
	if err != nil {
		t.Fatal(err)
	}
	for sentence, test := range map[string]struct {
		who    string
		may    []string
		mayNot []string
	}{
		"an administrator of everything": {
			who: "ann of platform",
			may: []string{
				"get packages in shop", "create packages in other", "update packages/status in other", "list packages",
				"delete clusters", "update clusters/status", "list clusters", "get /metrics", "get /debug/pprof/heap", "get /apis",
				"deletecollection classdeployments in shop", "patch classdeployments/scale in shop", "delete runtimestates in shop",
				"report clusters",
			},
			mayNot: []string{
				"get pods. in shop", "impersonate users.", "create subjectaccessreviews.authorization.k8s.io", "post /metrics", "bind packages in shop",
				"report packages in shop",
			},
		},
		"an administrator of one namespace": {
			who:    "shop-owner",
			may:    []string{"update packages/status in shop", "delete packages in shop", "list packages in other"},
			mayNot: []string{"delete packages in other", "delete packages", "get clusters", "create clusters", "get /metrics"},
		},
		"an editor of two namespaces": {
			who: "bob of developers",
			may: []string{"create packages in shop", "patch classdeployments in shop-staging", "update classdeployments/scale in shop", "get classdeployments/plan in shop"},
			mayNot: []string{
				"update packages/status in shop", "create packages in other", "deletecollection packages", "get clusters",
				"delete runtimestates in shop", "create somethingnew in shop", "get somethingnew in shop",
			},
		},
		"an editor by user name": {
			who:    "ci",
			may:    []string{"create packages in shop"},
			mayNot: []string{"create packages in other"},
		},
		"an editor of everything": {
			who:    "everywhere",
			may:    []string{"deletecollection packages", "create packages in other"},
			mayNot: []string{"create clusters", "get clusters", "get /metrics", "patch packages/status in shop", "report clusters"},
		},
		"a reader": {
			who: "carol",
			may: []string{
				"get packages in shop", "list packages", "watch classdeployments", "get packages/status in shop", "list runtimestates", "list deploymentrecords in shop", "get classes in shop",
				"get /apis/pm.oaas.io/v1alpha1", "get /openapi/v3", "get /api", "get /version", "get /version/",
			},
			mayNot: []string{
				"create packages in shop", "get clusters", "watch clusters", "get /", "get /apisx", "get /metrics", "get /versions", "post /apis",
				"escalate packages in shop",
			},
		},
		"nobody": {mayNot: []string{"get packages in shop", "get /apis"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			for _, question := range test.may {
				if _, allowed := loaded.Allows(ask(test.who, question)); !allowed {
					t.Errorf("may not %s", question)
				}
			}
			for _, question := range test.mayNot {
				if binding, allowed := loaded.Allows(ask(test.who, question)); allowed {
					t.Errorf("may %s, by bindings[%d]", question, binding)
				}
			}
		})
	}
}

func TestWithoutBindingsNothingIsAllowed(t *testing.T) {
	loaded, err := Load([]byte("apiVersion: authorization.oaas.io/v1alpha1\nkind: RoleMapping\nbindings: []"))
	if err != nil {
		t.Fatal(err)
	}
	if _, allowed := loaded.Allows(ask("ann of platform", "get packages in shop")); allowed {
		t.Error("a mapping without bindings allows something")
	}
}

func TestLoadRefuses(t *testing.T) {
	const head = "apiVersion: authorization.oaas.io/v1alpha1\nkind: RoleMapping\n"
	for sentence, test := range map[string]struct{ content, want string }{
		"an empty file":                    {"", "apiVersion: Unsupported value"},
		"a file that is no YAML":           {"{", "decode"},
		"another version":                  {"apiVersion: v1\nkind: RoleMapping", `supported values: "authorization.oaas.io/v1alpha1"`},
		"another kind":                     {"apiVersion: authorization.oaas.io/v1alpha1\nkind: Role", `supported values: "RoleMapping"`},
		"an unknown field":                 {head + "bindings: [{role: view, users: [a], namespace: shop}]", `unknown field "bindings[0].namespace"`},
		"a field in other case":            {head + "bindings: [{role: view, Users: [a]}]", `unknown field "bindings[0].Users"`},
		"a duplicate key":                  {head + "bindings: [{role: view, role: admin, users: [a]}]", "already set"},
		"a second document":                {head + "---\n" + head, "several documents"},
		"an unknown role":                  {head + "bindings: [{role: owner, users: [a]}]", `bindings[0].role: Unsupported value: "owner"`},
		"a binding of nobody":              {head + "bindings: [{role: view}]", "bindings[0]: Required value: name a user"},
		"an empty name":                    {head + "bindings: [{role: view, users: ['']}]", "bindings[0].users[0]"},
		"a name with space around":         {head + "bindings: [{role: view, groups: [' a']}]", "bindings[0].groups[0]"},
		"the user of unknown clients":      {head + "bindings: [{role: view, users: ['system:anonymous']}]", "clients that are not known get no role"},
		"the group of unknown clients":     {head + "bindings: [{role: view, groups: ['system:unauthenticated']}]", "clients that are not known get no role"},
		"no namespaces, which reads wrong": {head + "bindings: [{role: view, users: [a], namespaces: []}]", "leave the field out for all"},
		"a namespace with a star":          {head + "bindings: [{role: view, users: [a], namespaces: ['*']}]", "bindings[0].namespaces[0]"},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, err := Load([]byte(test.content))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(mapping))
	f.Add([]byte("apiVersion: authorization.oaas.io/v1alpha1\nkind: RoleMapping\nbindings: [{role: edit}]"))
	f.Fuzz(func(t *testing.T, content []byte) {
		loaded, err := Load(content)
		if err != nil {
			return
		}
		for _, question := range []string{"get packages in shop", "delete clusters", "get /metrics"} {
			anonymous := ask("x", question)
			anonymous.User = &user.DefaultInfo{Name: user.Anonymous, Groups: []string{user.AllUnauthenticated}}
			if _, allowed := loaded.Allows(anonymous); allowed {
				t.Errorf("a client without a name may %s", question)
			}
		}
	})
}
