// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// kubectl knows every resource by all of its names, prints it in every form, and
// can do what the resource's verbs allow.
func TestConformanceKubectl(t *testing.T) {
	everyResource(t, func(t *testing.T, resource resources.Resource, s specimen) {
		t.Helper()
		namespace := newNamespace(t)
		name := s.obtain(t, resource, namespace, "named")
		// Plain names are those of the resource that comes first in discovery; the
		// group makes them this one's, whatever else is installed.
		qualified := resource.Plural + "." + v1alpha1.GroupName
		run := func(args ...string) string {
			t.Helper()
			return mustKubectl(t, "", append(args, "-n", namespace)...)
		}
		for _, known := range append(slices.Clone(resource.ShortNames), resource.Plural, resource.Singular, resource.Kind, qualified) {
			if got := run("get", known, name, "-o", "name"); strings.TrimSpace(got) != fmt.Sprintf("%s.%s/%s", resource.Singular, v1alpha1.GroupName, name) {
				t.Errorf("get %s: %q", known, got)
			}
		}
		for _, form := range []string{"", "wide", "yaml", "json", "jsonpath={.metadata.name}", "custom-columns=NAME:.metadata.name"} {
			if got := run("get", qualified, name, "-o", form); !strings.Contains(got, name) {
				t.Errorf("get -o %q does not name it:\n%s", form, got)
			}
		}
		table := strings.Fields(strings.SplitN(run("get", qualified), "\n", 2)[0])
		if len(table) < 3 || table[0] != "NAME" || table[len(table)-1] != "AGE" {
			t.Errorf("the columns are %v, want NAME first, AGE last and something between", table)
		}
		if got := run("describe", qualified, name); !strings.Contains(got, "Name:") || !strings.Contains(got, name) {
			t.Errorf("describe:\n%s", got)
		}
		awaitDescription(t)
		explained := run("explain", qualified+".spec", "--recursive")
		for _, part := range []string{"KIND:", resource.Kind, "FIELDS:"} {
			if !strings.Contains(explained, part) {
				t.Errorf("explain lacks %q:\n%s", part, explained)
			}
		}
		if got := run("get", "oaas"); !strings.Contains(got, name) {
			t.Errorf("get oaas does not show %s:\n%s", name, got)
		}
		checkWrites(t, resource, qualified, namespace, name)
	})
}

func checkWrites(t *testing.T, resource resources.Resource, qualified, namespace, name string) {
	t.Helper()
	for _, command := range []struct {
		verb string
		args []string
	}{
		{"patch", []string{"label", qualified, name, "labelled=yes", "-n", namespace}},
		{"delete", []string{"delete", qualified, name, "-n", namespace, "--wait=false"}},
	} {
		verb, args := command.verb, command.args
		if verb == "delete" && slices.Contains(resource.Verbs, "patch") {
			continue // comes after the label
		}
		r := kubectl(t, "", args...)
		switch served := slices.Contains(resource.Verbs, verb); {
		case served && r.err != nil:
			t.Errorf("kubectl %s: %v\n%s", strings.Join(args, " "), r.err, r.stderr)
		case !served && r.err == nil:
			t.Errorf("kubectl %s worked, though %s do not %s", strings.Join(args, " "), resource.Plural, verb)
		case !served && !strings.Contains(fmt.Sprint(r.err, r.stderr), "does not allow this method"):
			t.Errorf("kubectl %s: %v\n%s", strings.Join(args, " "), r.err, r.stderr)
		}
	}
	if !slices.Contains(resource.Verbs, "patch") {
		return
	}
	if got := mustKubectl(t, "", "get", qualified, "-l", "labelled=yes", "-o", "name", "-n", namespace); !strings.Contains(got, name) {
		t.Errorf("the label selects %q", got)
	}
	mustKubectl(t, "", "delete", qualified, name, "-n", namespace)
	if got := mustKubectl(t, "", "get", qualified, name, "-n", namespace, "--ignore-not-found", "-o", "name"); got != "" {
		t.Errorf("deleted, and still there: %s", got)
	}
}
