// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"oaas.io/oaas/hack/localcluster/platform"
	"oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// The live records of clusters, the way that a user looks at them while their
// cluster comes, goes away and comes back.
func TestDeploymentRecords(t *testing.T) {
	namespace := newNamespace(t)
	mustKubectl(t, shopPackage+"---\n"+cartDeployment, "apply", "-n", namespace, "-f", "-")
	unit := waitAvailable(t, namespace, "cart").Status.Units[0]
	name := "hub." + unit.DeploymentID
	get := func(args ...string) result {
		t.Helper()
		r := kubectl(t, "", append([]string{"get", "-n", namespace}, args...)...)
		if r.err != nil {
			t.Fatalf("kubectl get %s: %v\n%s%s", strings.Join(args, " "), r.err, r.stdout, r.stderr)
		}
		return r
	}

	t.Run("a name that both groups have means the records of all clusters", func(t *testing.T) {
		for resource, want := range map[string]string{
			"deploymentrecords":         "deploymentrecord.pm.oaas.io/" + name,
			"deploymentrecord":          "deploymentrecord.pm.oaas.io/" + name,
			"drec":                      "deploymentrecord.oaas.io/" + unit.DeploymentID,
			"deploymentrecords.oaas.io": "deploymentrecord.oaas.io/" + unit.DeploymentID,
		} {
			if output := get(resource, "-o", "name").stdout; strings.TrimSpace(output) != want {
				t.Errorf("kubectl get %s gave %q, want %s", resource, output, want)
			}
		}
	})
	t.Run("a table tells what matters", func(t *testing.T) {
		lines := strings.Split(get("deploymentrecords").stdout, "\n")
		if got, want := strings.Join(strings.Fields(lines[0]), " "), "NAME CLUSTER ENVIRONMENT CLASS CONDITION PHASE READY STALE AGE"; got != want {
			t.Errorf("columns are %q, want %q", got, want)
		}
		// Pods get ready after a deployment counts as available.
		eventually(t, "the row to tell of a record that runs", func(context.Context) error {
			lines := strings.Split(get("deploymentrecords").stdout, "\n")
			if got, want := strings.Join(strings.Fields(lines[1])[:8], " "), name+" hub default shop.Cart Running Ready 2/2 false"; got != want {
				return fmt.Errorf("it is %q, want %q", got, want)
			}
			return nil
		})
		wide := get("deploymentrecords", "-o", "wide").stdout
		for _, want := range []string{"CLASS DEPLOYMENT", "TEMPLATE", "MESSAGE", "cart"} {
			if !strings.Contains(wide, want) {
				t.Errorf("%q is missing in:\n%s", want, wide)
			}
		}
	})
	t.Run("selectors narrow the list", func(t *testing.T) {
		for selector, found := range map[string]bool{
			"--field-selector=spec.cluster=hub":                         true,
			"--field-selector=spec.cluster=elsewhere":                   false,
			"--field-selector=spec.packageName=shop,spec.classKey=Cart": true,
			"--field-selector=status.condition=Failed":                  false,
			"-lpm.oaas.io/cluster=hub,pm.oaas.io/package=shop":          true,
			"-lpm.oaas.io/class-deployment=other":                       false,
		} {
			output := get("deploymentrecords", selector, "-o", "name").stdout
			if (output != "") != found {
				t.Errorf("%s gave %q", selector, output)
			}
		}
	})

	list, err := hub.oaas.PmV1alpha1().DeploymentRecords(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	changes, err := hub.oaas.PmV1alpha1().DeploymentRecords(namespace).Watch(t.Context(), metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err != nil {
		t.Fatal(err)
	}
	defer changes.Stop()

	crm := platform.RuntimeManager("hub")
	if err := hub.platform.Kill(t.Context(), crm); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { restart(t, crm) })
	waitForChange(t, changes, "the record to be stale", watch.Modified, func(r *v1alpha1.DeploymentRecord) bool { return r.Status.Stale })
	away := get("deploymentrecords")
	if !strings.Contains(away.stdout, name) || !strings.Contains(away.stdout, "true") {
		t.Errorf("with the cluster away, kubectl shows:\n%s", away.stdout)
	}
	if !strings.Contains(away.stderr, "Warning: cluster hub has been away for ") {
		t.Errorf("with the cluster away, kubectl warns:\n%s", away.stderr)
	}

	restart(t, crm)
	waitForChange(t, changes, "the record not to be stale any more", watch.Modified, func(r *v1alpha1.DeploymentRecord) bool { return !r.Status.Stale })
	if back := get("deploymentrecords"); strings.Contains(back.stderr, "away") {
		t.Errorf("with the cluster back, kubectl warns:\n%s", back.stderr)
	}

	mustKubectl(t, "", "delete", "classdeployment", "cart", "-n", namespace, "--wait=false")
	waitForChange(t, changes, "the record to be gone", watch.Deleted, func(r *v1alpha1.DeploymentRecord) bool { return r.Name == name })
	eventually(t, "nothing to be listed", func(context.Context) error {
		if output := get("deploymentrecords", "-o", "name").stdout; output != "" {
			return fmt.Errorf("there is %s", output)
		}
		return nil
	})
}

// waitForChange reads a watch until it tells of a record what is waited for.
func waitForChange(t *testing.T, changes watch.Interface, what string, kind watch.EventType, is func(*v1alpha1.DeploymentRecord) bool) {
	t.Helper()
	timeout := time.After(soon)
	for {
		select {
		case event, ok := <-changes.ResultChan():
			if !ok {
				t.Fatalf("waiting for %s: the watch has ended", what)
			}
			record, ok := event.Object.(*v1alpha1.DeploymentRecord)
			if !ok {
				t.Fatalf("waiting for %s: %s %v", what, event.Type, event.Object)
			}
			if event.Type == kind && is(record) {
				return
			}
		case <-timeout:
			t.Fatalf("waiting for %s: nothing came", what)
		}
	}
}
