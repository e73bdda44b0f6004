// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	appsv1 "k8s.io/api/apps/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/controller/environmentconfig"
	"oaas.io/oaas/pkg/crm/blueprint"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// giving maps a tenant to a namespace.
func giving(tenant, namespace string) v1alpha1.EnvironmentConfigSpec {
	return v1alpha1.EnvironmentConfigSpec{Namespaces: v1alpha1.NamespaceMapping{Tenants: map[string]string{tenant: namespace}}}
}

// readyBecause waits for the reason of the condition Ready of an environment.
func readyBecause(t *testing.T, c client.Client, environment *v1alpha1.EnvironmentConfig, reason string) *metav1.Condition {
	t.Helper()
	var ready *metav1.Condition
	waitForEnvironment(t, c, environment, "is "+reason, func(s v1alpha1.EnvironmentConfigStatus) bool {
		ready = meta.FindStatusCondition(s.Conditions, v1alpha1.EnvironmentReady)
		return ready != nil && ready.Reason == reason
	})
	return ready
}

// inUnit is a unit of a tenant in an environment.
func inUnit(tenant string, environment *v1alpha1.EnvironmentConfig) *deploymentv1.DeploymentUnit {
	return newUnit(tenant, func(u *deploymentv1.DeploymentUnit) { u.Environment = environment.Name })
}

// TestEnvironmentsThatNameOneNamespace stores, without webhooks, two configurations
// that give one namespace to different tenants: the older one has it, and it is the
// younger one's when that lets go.
func TestEnvironmentsThatNameOneNamespace(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	bank, shop, vault := newNamespace(t, c), newNamespace(t, c), newNamespace(t, c)
	winner, loser := newEnvironment(t, c, giving(bank, vault)), newEnvironment(t, c, giving(shop, vault))
	winning, losing := bank, shop
	if winner.CreationTimestamp.Equal(&loser.CreationTimestamp) && loser.Name < winner.Name {
		// Made within a second, so that the name decides.
		winner, loser, winning, losing = loser, winner, shop, bank
	}
	conflicting := readyBecause(t, c, loser, environmentconfig.ReasonConflicting)
	for _, text := range []string{winner.Name, loser.Name, vault, winning, losing} {
		if !strings.Contains(conflicting.Message, text) {
			t.Errorf("message is %q, which does not tell %s", conflicting.Message, text)
		}
	}
	readyBecause(t, c, winner, environmentconfig.ReasonUsable)
	eventually(t, "an event tells of the conflict", func(ctx context.Context) error {
		events := &eventsv1.EventList{}
		if err := c.List(ctx, events, client.InNamespace(metav1.NamespaceDefault)); err != nil {
			return err
		}
		for _, event := range events.Items {
			if event.Regarding.Name == loser.Name && event.Reason == environmentconfig.ReasonConflicting && event.Type == "Warning" {
				return nil
			}
		}
		return fmt.Errorf("none of %d does", len(events.Items))
	})

	p.deploy(t, inUnit(winning, winner))
	p.waitFor(t, winning+"-echo", "the tenant that has the namespace runs", running)
	_, err := p.Deploy(t.Context(), &deploymentv1.DeployRequest{Unit: inUnit(losing, loser)})
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), winner.Name) {
		t.Errorf("err = %v, want FAILED_PRECONDITION with the name %s", err, winner.Name)
	}
	// Whoever writes it past Deploy gets no further.
	record := direct(loser.Name, vault, losing+"-direct")
	record.Spec.DeploymentUnit.Namespace = losing
	if err := c.Create(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the record is refused", func(ctx context.Context) error {
		return reasonIs(ctx, c, record, v1alpha1.ConditionAvailable, blueprint.ReasonNamespaceContested)
	})
	if err := deploymentsOf(t.Context(), c, vault, record.Name); !errors.Is(err, errNone) {
		t.Errorf("err = %v, want that nothing was made", err)
	}

	changeEnvironment(t, c, winner, func(s *v1alpha1.EnvironmentConfigSpec) {
		s.Namespaces.Tenants = map[string]string{winning: winning}
	})
	readyBecause(t, c, loser, environmentconfig.ReasonUsable)
	eventually(t, "the record runs", func(ctx context.Context) error { return deploymentsOf(ctx, c, vault, record.Name) })
}

var errNone = errors.New("there is no Deployment")

func deploymentsOf(ctx context.Context, c client.Client, namespace, record string) error {
	made := &appsv1.DeploymentList{}
	err := c.List(ctx, made, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelDeploymentID: record})
	if err == nil && len(made.Items) == 0 {
		err = errNone
	}
	return err
}

// TestATenantThatIsNamedLikeANamespace lets a tenant deploy whose name is what the
// prefix of another environment makes of another tenant: who is there first has it.
func TestATenantThatIsNamedLikeANamespace(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	bank := newNamespace(t, c)
	environment := newEnvironment(t, c, v1alpha1.EnvironmentConfigSpec{
		Namespaces: v1alpha1.NamespaceMapping{Prefix: "prod-", Create: true},
	})
	p.deploy(t, inUnit(bank, environment))
	p.waitFor(t, bank+"-echo", "the tenant runs", running)

	// It has no EnvironmentConfig, and so puts tenants into namespaces of their names.
	p.deploy(t, newUnit("prod-"+bank))
	p.waitFor(t, "prod-"+bank+"-echo", "the record is refused", func(record *deploymentv1.DeploymentRecord) bool {
		for _, condition := range record.GetStatus().GetConditions() {
			if condition.GetReason() == blueprint.ReasonNamespaceContested && strings.Contains(condition.GetMessage(), bank+"-echo") {
				return true
			}
		}
		return false
	})
	if err := deploymentsOf(t.Context(), c, "prod-"+bank, "prod-"+bank+"-echo"); !errors.Is(err, errNone) {
		t.Errorf("err = %v, want that nothing was made", err)
	}
	p.waitFor(t, bank+"-echo", "the tenant that was there runs on", running)
}

// TestWebhooksKeepEnvironmentsApart holds that a conflict is refused when it is
// written, and that one which is there does not keep its parts from being changed.
func TestWebhooksKeepEnvironmentsApart(t *testing.T) {
	c := newClient(t)
	vault := newNamespace(t, c)
	stored := []*v1alpha1.EnvironmentConfig{}
	for _, tenant := range []string{"bank", "shop"} {
		environment := &v1alpha1.EnvironmentConfig{ObjectMeta: metav1.ObjectMeta{GenerateName: "env-"}, Spec: giving(tenant, vault)}
		if err := c.Create(t.Context(), environment); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Delete(context.WithoutCancel(t.Context()), environment) })
		stored = append(stored, environment)
	}
	startWithWebhooks(t, c)
	third := &v1alpha1.EnvironmentConfig{ObjectMeta: metav1.ObjectMeta{GenerateName: "env-"}, Spec: giving("mill", vault)}
	if err := refused(c.Create(t.Context(), third, client.DryRunAll), "spec.namespaces.tenants[mill]", vault, stored[0].Name, stored[1].Name); err != nil {
		t.Error(err)
	}
	for _, environment := range stored {
		waitForEnvironment(t, c, environment, "is observed", func(v1alpha1.EnvironmentConfigStatus) bool { return true })
		changeEnvironment(t, c, environment, func(s *v1alpha1.EnvironmentConfigSpec) { s.Quotas.Deployments = new(int32(7)) })
	}
	record := direct(stored[0].Name, newNamespace(t, c), "mine")
	record.Spec.DeploymentUnit.Namespace = "bank"
	if err := refused(c.Create(t.Context(), record, client.DryRunAll), "metadata.namespace"); err != nil {
		t.Error(err)
	}
}
