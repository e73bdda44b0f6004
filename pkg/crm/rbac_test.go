// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// TestShippedRoleIsEnough runs the program as a user who has the ClusterRole that
// is shipped and nothing else.
func TestShippedRoleIsEnough(t *testing.T) {
	c := newClient(t)
	const user = "crm-with-shipped-role"
	role := shippedRole(t)
	role.Name = user
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: user},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}},
	}
	for _, object := range []client.Object{role, binding} {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := kube.WriteKubeconfig(kubeconfig, user); err != nil {
		t.Fatal(err)
	}
	restConfig, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	// Roles take effect a moment after they were made, and the program needs its own at
	// once.
	eventually(t, "the role takes effect", func(ctx context.Context) error {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User:               user,
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "list", Group: "oaas.io", Resource: "deploymentrecords"},
		}}
		if err := c.Create(ctx, review); err != nil {
			return err
		}
		if !review.Status.Allowed {
			return errors.New("the user may not list records")
		}
		return nil
	})
	p := startProgramAs(t, restConfig)
	unit := newUnit(newNamespace(t, c), func(u *deploymentv1.DeploymentUnit) {
		u.ResourceAllocation = &deploymentv1.ResourceAllocation{MinReplicas: 2}
	})
	p.deploy(t, unit)
	p.waitFor(t, unit.GetId(), "the unit runs", running)
	eventually(t, "the transition is told in an event", func(ctx context.Context) error {
		return eventOf(ctx, c, unit, "Serving")
	})
	unit.ResourceAllocation.MinReplicas = 1
	p.deploy(t, unit)
	p.waitFor(t, unit.GetId(), "the unit runs with one replica", running)
	eventually(t, "the unit is gone", func(ctx context.Context) error {
		response, err := p.DeleteDeployment(ctx, &deploymentv1.DeleteDeploymentRequest{DeploymentId: unit.GetId()})
		if err == nil && !response.GetGone() {
			err = errors.New("it is still there")
		}
		return err
	})
}

// TestViewersSeeTheirRecords holds that the role which is shipped for users lets them
// read what `kubectl get drec,dtpl,envcfg` shows, and write nothing.
func TestViewersSeeTheirRecords(t *testing.T) {
	content, err := os.ReadFile("../../artifacts/kustomize/crm/user-roles.yaml")
	if err != nil {
		t.Fatal(err)
	}
	role := &rbacv1.ClusterRole{}
	if err := yaml.UnmarshalStrict(content, role); err != nil {
		t.Fatal(err)
	}
	if role.Labels["rbac.authorization.k8s.io/aggregate-to-view"] != "true" {
		t.Errorf("labels = %v, want one that adds the role to view", role.Labels)
	}
	c := newClient(t)
	const user = "viewer"
	role.Name = user
	if err := c.Create(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: user},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}},
	}
	if err := c.Create(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	for _, resource := range []string{"deploymentrecords", "deploymenttemplates", "environmentconfigs"} {
		for verb, want := range map[string]bool{"get": true, "list": true, "watch": true, "create": false, "patch": false, "delete": false} {
			eventually(t, verb+" "+resource+" is decided", func(ctx context.Context) error {
				review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
					User:               user,
					ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Group: "oaas.io", Resource: resource},
				}}
				if err := c.Create(ctx, review); err != nil {
					return err
				}
				if review.Status.Allowed != want {
					return fmt.Errorf("allowed is %v", review.Status.Allowed)
				}
				return nil
			})
		}
	}
}

func shippedRole(t *testing.T) *rbacv1.ClusterRole {
	t.Helper()
	content, err := os.ReadFile("../../artifacts/kustomize/crm/rbac.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for document := range strings.SplitSeq(string(content), "\n---\n") {
		role := &rbacv1.ClusterRole{}
		if err := yaml.Unmarshal([]byte(document), role); err == nil && role.Kind == "ClusterRole" {
			return role
		}
	}
	t.Fatal("rbac.yaml holds no ClusterRole")
	return nil
}

// eventOf looks for an event about the record of a unit.
func eventOf(ctx context.Context, c client.Client, unit *deploymentv1.DeploymentUnit, reason string) error {
	events := &eventsv1.EventList{}
	if err := c.List(ctx, events, client.InNamespace(unit.GetNamespace())); err != nil {
		return err
	}
	for _, event := range events.Items {
		if event.Regarding.Name == unit.GetId() && event.Reason == reason {
			return nil
		}
	}
	return fmt.Errorf("no event with reason %s among %d", reason, len(events.Items))
}
