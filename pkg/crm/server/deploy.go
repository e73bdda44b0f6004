// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/go-logr/logr"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/applyset"
	"oaas.io/oaas/pkg/crm/environment"
	"oaas.io/oaas/pkg/crm/intent"
	"oaas.io/oaas/pkg/crm/quota"
	"oaas.io/oaas/pkg/crm/render/names"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
	"oaas.io/oaas/pkg/grpcserver"
)

// deployments answers calls about deployment records.
type deployments struct {
	deploymentv1.UnimplementedDeploymentServiceServer
	// environments are the defaults of all environments.
	environments environment.Defaults
	// ledger keeps the quotas of environments.
	ledger *quota.Ledger
	// renderer decides what a unit would become; nil where nobody may ask.
	renderer Renderer
	// client writes to the API server and reads from the cache.
	client client.Client
	// live reads from the API server.
	live     client.Reader
	watching client.WithWatch
	metrics  *metrics
	// ending is closed when streams must end.
	ending <-chan struct{}
}

// Deploy creates the record of a unit or brings it to the given content.
func (d *deployments) Deploy(ctx context.Context, request *deploymentv1.DeployRequest) (*deploymentv1.DeployResponse, error) {
	spec, place, before, err := d.settle(ctx, request.GetUnit())
	if err != nil {
		return nil, err
	}
	if before != nil && equality.Semantic.DeepEqual(before.Spec, spec) {
		return d.deployed(ctx, request, before, deploymentv1.DeployOutcome_DEPLOY_OUTCOME_UNCHANGED), nil
	}
	wanted, err := intentOf(place.namespace, spec, grpcserver.CorrelationID(ctx))
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if err := d.room(ctx, place, request.GetUnit(), wanted); err != nil {
		return nil, err
	}
	reservation, err := d.reserve(ctx, &spec, place, before, request.GetDryRun())
	if err != nil {
		return nil, err
	}
	if err := d.write(ctx, place, wanted, request.GetDryRun()); err != nil {
		d.release(ctx, reservation, err)
		if apierrors.IsInvalid(err) {
			// Another ClassDeployment may have taken the id a moment ago.
			if _, taken := d.existing(ctx, place.namespace, spec.DeploymentUnit); taken != nil {
				return nil, taken
			}
		}
		return nil, writeError(err, place.namespace)
	}
	after := &v1alpha1.DeploymentRecord{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(wanted.Object, after); err != nil {
		return nil, status.Errorf(codes.Internal, "read the record back: %v", err)
	}
	if after.DeletionTimestamp != nil {
		return nil, beingRemoved(after.Name)
	}
	return d.deployed(ctx, request, after, outcomeOf(before, after)), nil
}

// settle checks a unit and tells what its record holds, where it goes, and the record
// as it is; nil for none.
func (d *deployments) settle(ctx context.Context, unit *deploymentv1.DeploymentUnit) (v1alpha1.DeploymentRecordSpec, place, *v1alpha1.DeploymentRecord, error) {
	if problems := validateUnit(unit); len(problems) > 0 {
		return v1alpha1.DeploymentRecordSpec{}, place{}, nil, invalid(problems)
	}
	spec := specOf(unit)
	in, err := d.placeOf(ctx, spec)
	if err != nil {
		return spec, place{}, nil, err
	}
	before, err := d.existing(ctx, in.namespace, spec.DeploymentUnit)
	return spec, in, before, err
}

// write applies a record and reads it back. A namespace that the environment makes
// itself is made when the API server misses it, so that the others cost no call.
func (d *deployments) write(ctx context.Context, place place, wanted *unstructured.Unstructured, dryRun bool) error {
	options := []client.ApplyOption{client.FieldOwner(v1alpha1.FieldManagerServer), client.ForceOwnership}
	if dryRun {
		options = append(options, client.DryRunAll)
	}
	apply := func() error {
		return d.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(wanted), options...)
	}
	err := apply()
	if !place.create || !apierrors.IsNotFound(err) || kindOf(err) != kindNamespaces {
		return err
	}
	if err := d.createNamespace(ctx, place.namespace, dryRun); err != nil || dryRun {
		// A namespace that would be made has no record that could be tried.
		return err
	}
	return apply()
}

// existing returns the record that Deploy is about to change, nil for none. It
// fails where the record must not be changed.
func (d *deployments) existing(ctx context.Context, namespace string, unit v1alpha1.DeploymentUnit) (*v1alpha1.DeploymentRecord, error) {
	record := &v1alpha1.DeploymentRecord{}
	err := d.live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: unit.ID}, record)
	if apierrors.IsNotFound(err) {
		// The id names one unit on the whole cluster.
		if record, err = d.cachedElsewhere(ctx, namespace, unit.ID); err != nil || record == nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, statusOf(fmt.Errorf("read record: %w", err))
	}
	owner := record.Spec.DeploymentUnit
	if owner.Namespace != unit.Namespace || owner.ClassDeployment != unit.ClassDeployment {
		return nil, status.Errorf(codes.AlreadyExists, "deployment %q belongs to ClassDeployment %s/%s: use another id",
			unit.ID, owner.Namespace, owner.ClassDeployment)
	}
	if record.DeletionTimestamp != nil {
		return nil, beingRemoved(unit.ID)
	}
	if record.Namespace != namespace {
		return nil, status.Errorf(codes.AlreadyExists, "deployment %q runs in namespace %s from before the namespace of records was changed: delete it first",
			unit.ID, record.Namespace)
	}
	return record, nil
}

func (d *deployments) cachedElsewhere(ctx context.Context, namespace, id string) (*v1alpha1.DeploymentRecord, error) {
	record, err := d.cached(ctx, id)
	if err != nil || record == nil || record.Namespace == namespace {
		// In the very namespace it is gone already, and the cache is behind.
		return nil, err
	}
	return record, nil
}

func (d *deployments) deployed(ctx context.Context, request *deploymentv1.DeployRequest, record *v1alpha1.DeploymentRecord, outcome deploymentv1.DeployOutcome) *deploymentv1.DeployResponse {
	if !request.GetDryRun() {
		name := strings.ToLower(strings.TrimPrefix(outcome.String(), "DEPLOY_OUTCOME_"))
		d.metrics.deployments.WithLabelValues(name).Inc()
		if outcome != deploymentv1.DeployOutcome_DEPLOY_OUTCOME_UNCHANGED {
			logr.FromContextOrDiscard(ctx).Info("deployed", "deploymentID", record.Name, "namespace", record.Namespace, "outcome", name)
		}
	}
	return &deploymentv1.DeployResponse{DeploymentId: record.Name, Outcome: outcome, Record: messageOf(record)}
}

// outcomeOf compares the record before and after. A record with another UID was
// removed and made anew in between.
func outcomeOf(before, after *v1alpha1.DeploymentRecord) deploymentv1.DeployOutcome {
	switch {
	case before == nil, before.UID != after.UID:
		return deploymentv1.DeployOutcome_DEPLOY_OUTCOME_CREATED
	case before.Generation != after.Generation:
		return deploymentv1.DeployOutcome_DEPLOY_OUTCOME_UPDATED
	default:
		return deploymentv1.DeployOutcome_DEPLOY_OUTCOME_UNCHANGED
	}
}

// beingRemoved may be tried again: the same call succeeds once the record is gone.
func beingRemoved(id string) error {
	return status.Errorf(codes.Aborted, "deployment %q is being removed: try again when it is gone", id)
}

// intentOf is the content of the server-side apply of a record. The finalizer is
// part of it, so that there is no moment at which a record could go without its
// children.
func intentOf(namespace string, spec v1alpha1.DeploymentRecordSpec, correlationID string) (*unstructured.Unstructured, error) {
	unit := spec.DeploymentUnit
	record := &v1alpha1.DeploymentRecord{Spec: spec}
	record.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind(v1alpha1.KindDeploymentRecord))
	record.Name, record.Namespace = unit.ID, namespace
	record.Finalizers = []string{v1alpha1.FinalizerDeployment}
	record.Labels = map[string]string{
		v1alpha1.LabelDeploymentID: unit.ID,
		v1alpha1.LabelPackage:      names.LabelValue(unit.PackageName),
		v1alpha1.LabelClass:        names.LabelValue(unit.ClassKey),
		v1alpha1.LabelEnvironment:  names.LabelValue(spec.TargetEnvironment),
	}
	record.Annotations = map[string]string{
		v1alpha1.LabelPackage: unit.PackageName,
		v1alpha1.LabelClass:   unit.ClassKey,
	}
	if correlationID != "" {
		record.Annotations[v1alpha1.AnnotationCorrelationID] = correlationID
	}
	// Here it costs no write of its own.
	applyset.Mark(&record.ObjectMeta)
	return intent.From(record)
}
