// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packageservice

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"

	packagev1 "oaas.io/oaas/pkg/generated/grpc/oaas/package/v1"
	"oaas.io/oaas/pkg/reports"
)

// service answers the calls of callers that were admitted.
type service struct {
	packagev1.UnimplementedPackageServiceServer

	callers  *callers
	objects  *Objects
	recorder *reports.Recorder
	clock    clock.PassiveClock
	metrics  *metrics
}

// GetPackage implements packagev1.PackageServiceServer.
func (s *service) GetPackage(ctx context.Context, request *packagev1.GetPackageRequest) (*packagev1.GetPackageResponse, error) {
	var problems field.ErrorList
	for _, message := range validation.IsDNS1123Label(request.GetNamespace()) {
		problems = append(problems, field.Invalid(field.NewPath("namespace"), request.GetNamespace(), message))
	}
	for _, message := range validation.IsDNS1123Subdomain(request.GetName()) {
		problems = append(problems, field.Invalid(field.NewPath("name"), request.GetName(), message))
	}
	if len(problems) > 0 {
		return nil, invalid(problems)
	}
	if err := s.callers.mayRead(ctx, request.GetNamespace(), request.GetName()); err != nil {
		return nil, err
	}
	pkg, err := s.objects.pkg(ctx, request.GetNamespace(), request.GetName())
	if err != nil {
		return nil, statusOf(err)
	}
	if pkg == nil {
		return nil, status.Errorf(codes.NotFound, "package %q does not exist in namespace %q", request.GetName(), request.GetNamespace())
	}
	return &packagev1.GetPackageResponse{Package: packageOf(pkg)}, nil
}

// ReportDeploymentStatus implements packagev1.PackageServiceServer.
func (s *service) ReportDeploymentStatus(ctx context.Context, request *packagev1.ReportDeploymentStatusRequest) (*packagev1.ReportDeploymentStatusResponse, error) {
	results, err := s.record(ctx, "status", request.GetCluster(), func() ([]reports.Report, field.ErrorList) {
		return reports.FromStatuses(request, s.clock.Now())
	})
	if err != nil {
		return nil, err
	}
	return &packagev1.ReportDeploymentStatusResponse{Results: results}, nil
}

// ReportRuntimeMetrics implements packagev1.PackageServiceServer.
func (s *service) ReportRuntimeMetrics(ctx context.Context, request *packagev1.ReportRuntimeMetricsRequest) (*packagev1.ReportRuntimeMetricsResponse, error) {
	results, err := s.record(ctx, "metrics", request.GetCluster(), func() ([]reports.Report, field.ErrorList) {
		return reports.FromMetrics(request, s.clock.Now())
	})
	if err != nil {
		return nil, err
	}
	return &packagev1.ReportRuntimeMetricsResponse{Results: results}, nil
}

func (s *service) record(
	ctx context.Context, kind, cluster string, convert func() ([]reports.Report, field.ErrorList),
) ([]*packagev1.ReportResult, error) {
	if cluster == "" {
		return nil, invalid(field.ErrorList{field.Required(field.NewPath("cluster"), "name the cluster that you report for")})
	}
	if err := s.callers.mayReport(ctx, cluster); err != nil {
		return nil, err
	}
	batch, problems := convert()
	if len(problems) > 0 {
		return nil, invalid(problems)
	}
	outcomes, err := s.recorder.Record(ctx, batch)
	if err != nil {
		return nil, statusOf(err)
	}
	results := make([]*packagev1.ReportResult, len(batch))
	for i, outcome := range outcomes {
		results[i] = &packagev1.ReportResult{DeploymentId: batch[i].Unit.DeploymentID, Outcome: outcomeOf(outcome)}
		s.metrics.reports.WithLabelValues(kind, results[i].GetOutcome().String()).Inc()
	}
	return results, nil
}

func outcomeOf(outcome reports.Outcome) packagev1.ReportOutcome {
	switch outcome {
	case reports.Accepted:
		return packagev1.ReportOutcome_REPORT_OUTCOME_ACCEPTED
	case reports.Outdated:
		return packagev1.ReportOutcome_REPORT_OUTCOME_OUTDATED
	case reports.UnknownUnit:
		return packagev1.ReportOutcome_REPORT_OUTCOME_UNKNOWN_UNIT
	}
	return packagev1.ReportOutcome_REPORT_OUTCOME_UNSPECIFIED
}
