// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"google.golang.org/grpc/credentials/insecure"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	crdfiles "oaas.io/oaas/artifacts/crds"
	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm"
	"oaas.io/oaas/pkg/crm/config"
	"oaas.io/oaas/pkg/crm/crds"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// kubeconfigVariable makes the test binary run as the program, so that it can be
// killed as a process of its own.
const kubeconfigVariable = "CRM_TEST_KUBECONFIG"

// runAsProgram is what the test binary does in its place.
func runAsProgram(kubeconfig string) error {
	kube, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	settings, err := config.Load(context.Background(), nil, os.Environ(), nil)
	if err != nil {
		return err
	}
	return crm.Run(context.Background(), settings, kube, logr.Discard())
}

func TestKilledProgramLosesNothing(t *testing.T) {
	c := newClient(t)
	namespace := newNamespace(t, c)
	var units []*deploymentv1.DeploymentUnit
	// Killed at several points of the same work.
	for round := range 3 {
		address := freeAddress(t)
		process := startProcess(t, address)
		conn := dial(t, address, insecure.NewCredentials())
		deployments := deploymentv1.NewDeploymentServiceClient(conn)
		eventually(t, "the process answers", func(ctx context.Context) error { return list(ctx, conn) })
		for i := range 4 {
			unit := newUnit(namespace, func(u *deploymentv1.DeploymentUnit) { u.Id = fmt.Sprintf("%s-%d-%d", namespace, round, i) })
			if _, err := deployments.Deploy(t.Context(), &deploymentv1.DeployRequest{Unit: unit}); err != nil {
				t.Fatalf("Deploy: %v", err)
			}
			units = append(units, unit)
		}
		if round > 0 {
			// One removal is cut short as well.
			if _, err := deployments.DeleteDeployment(t.Context(), &deploymentv1.DeleteDeploymentRequest{DeploymentId: units[0].GetId()}); err != nil {
				t.Fatalf("DeleteDeployment: %v", err)
			}
			units = units[1:]
		}
		if err := process.Kill(); err != nil {
			t.Fatal(err)
		}
	}

	p := startProgram(t)
	for _, unit := range units {
		p.waitFor(t, unit.GetId(), "the unit runs", running)
	}
	eventually(t, "only what is wanted is left", func(ctx context.Context) error {
		deployments := 0
		for _, name := range objectsIn(t, c, namespace) {
			if strings.HasPrefix(name, "Deployment/") {
				deployments++
			}
		}
		if deployments != len(units) {
			return fmt.Errorf("%d Deployments, want %d", deployments, len(units))
		}
		return nil
	})
}

func startProcess(t *testing.T, address string) *os.Process {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), kubeconfigVariable+"="+kube.KubeconfigPath(),
		config.EnvPrefix+"GRPC_ADDRESS="+address, config.EnvPrefix+"METRICS_ADDRESS=0", config.EnvPrefix+"HEALTH_ADDRESS=0",
		config.EnvPrefix+"FEATURES_LEADER_ELECTION=false")
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return command.Process
}

func TestTwoCopies(t *testing.T) {
	c := newClient(t)
	elect := func(s *config.Config) { s.Features.LeaderElection = true }
	first := startProgram(t, elect)
	second := startProgram(t, elect)
	unit := newUnit(newNamespace(t, c))
	// Both answer, also the one that does not lead.
	second.deploy(t, unit)
	first.waitFor(t, unit.GetId(), "the unit runs", running)

	// The other takes over at once, because the first gives the lease back.
	first.end(t)
	unit.FunctionContainers[0].Image = "registry.example/echo:2"
	second.deploy(t, unit)
	second.waitFor(t, unit.GetId(), "the new image runs", func(r *deploymentv1.DeploymentRecord) bool {
		return running(r) && deploymentOf(t, c, unit).Spec.Template.Spec.Containers[0].Image == "registry.example/echo:2"
	})
}

func TestCheckOfDefinitions(t *testing.T) {
	startProgram(t).end(t)
	c := newClient(t)
	if err := crds.Check(t.Context(), c, crdfiles.Files); err != nil {
		t.Errorf("right after they were applied: %v", err)
	}
	// The API server writes the status at the same time.
	eventually(t, "the definition is an older one", func(ctx context.Context) error {
		older := &apiextensionsv1.CustomResourceDefinition{}
		if err := c.Get(ctx, client.ObjectKey{Name: "deploymentrecords.oaas.io"}, older); err != nil {
			return err
		}
		older.Spec.Versions[0].AdditionalPrinterColumns = older.Spec.Versions[0].AdditionalPrinterColumns[1:]
		return c.Update(ctx, older)
	})
	err := crds.Check(t.Context(), c, crdfiles.Files)
	if err == nil || !strings.Contains(err.Error(), "deploymentrecords.oaas.io is of another version") {
		t.Errorf("with an older definition: err = %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := crds.Apply(ctx, c, crdfiles.Files); err != nil {
		t.Fatal(err)
	}
	if err := crds.Check(t.Context(), c, crdfiles.Files); err != nil {
		t.Errorf("after they were applied again: %v", err)
	}
}

func TestRecordMadeByHandIsCheckedAtAdmission(t *testing.T) {
	c, p := newClient(t), startProgram(t)
	record := &v1alpha1.DeploymentRecord{
		ObjectMeta: metav1.ObjectMeta{Name: "by-hand", Namespace: newNamespace(t, c)},
		Spec: v1alpha1.DeploymentRecordSpec{
			DeploymentUnit:     v1alpha1.DeploymentUnit{ID: "another", PackageName: "demo", ClassKey: "Echo"},
			TargetEnvironment:  "dev",
			FunctionContainers: []v1alpha1.FunctionContainer{{FunctionKey: "say", Image: "registry.example/echo:1"}},
		},
	}
	if err := c.Create(t.Context(), record); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "metadata.name must be spec.deploymentUnit.id") {
		t.Errorf("err = %v, want one that says that the names differ", err)
	}
	record.Spec.DeploymentUnit.ID = record.Name
	if err := c.Create(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	// It is worked on like any other, and has its finalizer before anything else.
	p.waitFor(t, record.Name, "it runs", running)
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(record), record); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(record.Finalizers, v1alpha1.FinalizerDeployment) {
		t.Errorf("finalizers = %v", record.Finalizers)
	}
}
