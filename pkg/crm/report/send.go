// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	packagev1 "oaas.io/oaas/pkg/generated/grpc/oaas/package/v1"
)

const (
	// batch is the number of units in one call, half of what the server takes.
	batch = 500
	// callTimeout bounds one call.
	callTimeout = 10 * time.Second
	// repairs is how often a batch is sent again without what was refused.
	repairs = 5
)

// sender makes the calls of one report.
type sender struct {
	client  packagev1.PackageServiceClient
	cluster string
	log     logr.Logger
}

func (s sender) statuses(ctx context.Context, list []*packagev1.UnitStatus) error {
	return send(s.log, list, func(part []*packagev1.UnitStatus) error {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		response, err := s.client.ReportDeploymentStatus(ctx, &packagev1.ReportDeploymentStatusRequest{Cluster: s.cluster, Statuses: part})
		s.note(response.GetResults())
		return err
	})
}

func (s sender) metrics(ctx context.Context, list []*packagev1.UnitMetrics) error {
	return send(s.log, list, func(part []*packagev1.UnitMetrics) error {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		response, err := s.client.ReportRuntimeMetrics(ctx, &packagev1.ReportRuntimeMetricsRequest{Cluster: s.cluster, Metrics: part})
		s.note(response.GetResults())
		return err
	})
}

// note logs what was not taken. A unit that is not known there is about to be
// removed here, or its deployment to be listed there.
func (s sender) note(results []*packagev1.ReportResult) {
	for _, result := range results {
		if result.GetOutcome() != packagev1.ReportOutcome_REPORT_OUTCOME_ACCEPTED {
			s.log.V(1).Info("A report was not taken", "deploymentID", result.GetDeploymentId(), "outcome", result.GetOutcome().String())
		}
	}
}

// send makes calls of a bounded size. One unit that is refused does not keep the
// others from being reported.
func send[T interface{ GetUnit() *packagev1.Unit }](log logr.Logger, list []T, call func([]T) error) error {
	for part := range slices.Chunk(list, batch) {
		err := call(part)
		for range repairs {
			refused := refusedUnits(err)
			if len(refused) == 0 {
				break
			}
			var rest []T
			for i, unit := range part {
				if refused[i] {
					log.Info("The Package Manager refuses a report", "deploymentID", unit.GetUnit().GetDeploymentId(), "reason", status.Convert(err).Message())
					continue
				}
				rest = append(rest, unit)
			}
			if len(rest) == len(part) {
				break
			}
			part, err = rest, nil
			if len(part) > 0 {
				err = call(part)
			}
		}
		if err != nil {
			return fmt.Errorf("%d units: %w", len(part), err)
		}
	}
	return nil
}

// refusedUnits are the positions of the units that an answer finds fault with.
func refusedUnits(err error) map[int]bool {
	if status.Code(err) != codes.InvalidArgument {
		return nil
	}
	refused := map[int]bool{}
	for _, detail := range status.Convert(err).Details() {
		bad, ok := detail.(*errdetails.BadRequest)
		if !ok {
			continue
		}
		for _, violation := range bad.GetFieldViolations() {
			_, rest, found := strings.Cut(violation.GetField(), "[")
			number, _, closed := strings.Cut(rest, "]")
			if i, err := strconv.Atoi(number); found && closed && err == nil {
				refused[i] = true
			}
		}
	}
	return refused
}
