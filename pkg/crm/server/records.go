// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/go-logr/logr"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

const (
	defaultPage = 500
	maxPage     = 1000
	// maxPageBytes bounds a page of several records. It is far below the size of a
	// message: callers of HTTP get the page as JSON, which is many times as large.
	maxPageBytes = 1 << 20
)

// nameIndex finds records by name in all namespaces at once.
const nameIndex = "metadata.name"

// indexRecords adds the index to the cache, before it is started.
func indexRecords(ctx context.Context, records client.FieldIndexer) error {
	byName := func(object client.Object) []string { return []string{object.GetName()} }
	if err := records.IndexField(ctx, &v1alpha1.DeploymentRecord{}, nameIndex, byName); err != nil {
		return fmt.Errorf("index records by name: %w", err)
	}
	return nil
}

// GetDeploymentRecord returns one record as the API server has it, so that a
// caller sees its own writes.
func (d *deployments) GetDeploymentRecord(ctx context.Context, request *deploymentv1.GetDeploymentRecordRequest) (*deploymentv1.GetDeploymentRecordResponse, error) {
	record, err := d.find(ctx, request.GetDeploymentId())
	if err != nil {
		return nil, err
	}
	return &deploymentv1.GetDeploymentRecordResponse{Record: messageOf(record)}, nil
}

// GetDeploymentStatus tells how a unit is doing.
func (d *deployments) GetDeploymentStatus(ctx context.Context, request *deploymentv1.GetDeploymentStatusRequest) (*deploymentv1.GetDeploymentStatusResponse, error) {
	record, err := d.find(ctx, request.GetDeploymentId())
	if err != nil {
		return nil, err
	}
	return &deploymentv1.GetDeploymentStatusResponse{DeploymentId: record.Name, Status: deploymentStatusOf(record)}, nil
}

// DeleteDeployment starts the removal of a unit; the reconciler ends it.
func (d *deployments) DeleteDeployment(ctx context.Context, request *deploymentv1.DeleteDeploymentRequest) (*deploymentv1.DeleteDeploymentResponse, error) {
	record, err := d.find(ctx, request.GetDeploymentId())
	if status.Code(err) == codes.NotFound {
		return &deploymentv1.DeleteDeploymentResponse{Gone: true}, nil
	}
	if err != nil {
		return nil, err
	}
	if unit := record.Spec.DeploymentUnit; request.GetClassDeployment() != "" &&
		(unit.Namespace != request.GetNamespace() || unit.ClassDeployment != request.GetClassDeployment()) {
		return &deploymentv1.DeleteDeploymentResponse{Gone: true}, nil
	}
	if record.DeletionTimestamp == nil {
		// The record that was found, not one that took its name since.
		err := d.client.Delete(ctx, record, client.Preconditions{UID: new(record.UID)}, client.PropagationPolicy(metav1.DeletePropagationBackground))
		if apierrors.IsNotFound(err) {
			return &deploymentv1.DeleteDeploymentResponse{Gone: true}, nil
		}
		if err != nil {
			return nil, statusOf(fmt.Errorf("delete record: %w", err))
		}
		logr.FromContextOrDiscard(ctx).Info("removal begun", "namespace", record.Namespace)
	}
	return &deploymentv1.DeleteDeploymentResponse{}, nil
}

// find returns the record of an id from the API server, wherever it is.
func (d *deployments) find(ctx context.Context, id string) (*v1alpha1.DeploymentRecord, error) {
	if problems := validateLabel(nil, id); len(problems) > 0 {
		problems[0].Field = "deployment_id"
		return nil, invalid(problems[:1])
	}
	// The cache tells where it is, the API server what it is.
	known, err := d.cached(ctx, id)
	if err != nil {
		return nil, err
	}
	if known != nil {
		record := &v1alpha1.DeploymentRecord{}
		err := d.live.Get(ctx, client.ObjectKeyFromObject(known), record)
		if err == nil {
			return record, nil
		}
		if !apierrors.IsNotFound(err) {
			return nil, statusOf(fmt.Errorf("read record: %w", err))
		}
	}
	list := &v1alpha1.DeploymentRecordList{}
	if err := d.live.List(ctx, list, client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", id)}); err != nil {
		return nil, statusOf(fmt.Errorf("look for record: %w", err))
	}
	record := oldest(list.Items)
	if record == nil {
		return nil, notFound(id)
	}
	return record, nil
}

// cached returns the record of an id from the cache, which is shared and must not
// be changed; nil when there is none.
func (d *deployments) cached(ctx context.Context, id string) (*v1alpha1.DeploymentRecord, error) {
	list := &v1alpha1.DeploymentRecordList{}
	if err := d.client.List(ctx, list, client.MatchingFields{nameIndex: id}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, statusOf(fmt.Errorf("look for record: %w", err))
	}
	return oldest(list.Items), nil
}

// oldest is the record that an id stands for where several namespaces have one of the
// name; nil for none. Deploy refuses an id that is taken, so the others were applied by
// somebody else, who must not be able to pass for the first.
func oldest(records []v1alpha1.DeploymentRecord) *v1alpha1.DeploymentRecord {
	if len(records) == 0 {
		return nil
	}
	first := slices.MinFunc(records, func(a, b v1alpha1.DeploymentRecord) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Namespace, b.Namespace))
	})
	return &first
}

// ListDeploymentRecords returns records from the cache, ordered by id.
func (d *deployments) ListDeploymentRecords(ctx context.Context, request *deploymentv1.ListDeploymentRecordsRequest) (*deploymentv1.ListDeploymentRecordsResponse, error) {
	if request.GetPageSize() < 0 || request.GetPageSize() > maxPage {
		return nil, status.Errorf(codes.InvalidArgument, "page_size is %d: use 0 to %d", request.GetPageSize(), maxPage)
	}
	if request.GetOffset() < 0 || (request.GetOffset() > 0 && request.GetPageToken() != "") {
		return nil, status.Errorf(codes.InvalidArgument, "offset is %d: use 0 or more, and none with a page_token", request.GetOffset())
	}
	after, err := decodeToken(request.GetPageToken())
	if err != nil {
		return nil, err
	}
	list := &v1alpha1.DeploymentRecordList{}
	if err := d.client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, statusOf(fmt.Errorf("list records: %w", err))
	}
	matching := slices.DeleteFunc(slices.Clone(list.Items), func(record v1alpha1.DeploymentRecord) bool {
		return !matches(request.GetFilter(), &record) || positionOf(&record) <= after
	})
	slices.SortFunc(matching, func(a, b v1alpha1.DeploymentRecord) int { return strings.Compare(positionOf(&a), positionOf(&b)) })
	matching = matching[min(int(request.GetOffset()), len(matching)):]
	return pageOf(matching, cmp.Or(int(request.GetPageSize()), defaultPage), maxPageBytes), nil
}

// pageOf returns the first records, at most size of them and at most limit bytes,
// but always one: a page that is larger than a message could never be read.
func pageOf(records []v1alpha1.DeploymentRecord, size, limit int) *deploymentv1.ListDeploymentRecordsResponse {
	page := &deploymentv1.ListDeploymentRecordsResponse{}
	room := limit
	for i := range records {
		message := messageOf(&records[i])
		room -= proto.Size(message)
		if i == size || (i > 0 && room < 0) {
			page.NextPageToken = base64.RawURLEncoding.EncodeToString([]byte(positionOf(&records[i-1])))
			break
		}
		page.Records = append(page.Records, message)
	}
	return page
}

// positionOf orders records by id, then by namespace. No name holds a space.
func positionOf(record *v1alpha1.DeploymentRecord) string {
	return record.Name + " " + record.Namespace
}

// decodeToken returns the position that a page starts after. It is a position and
// no offset, so that records that come and go between pages shift nothing.
func decodeToken(token string) (string, error) {
	position, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", status.Errorf(codes.InvalidArgument, "page_token %q is not one that this server gave out", cut(token))
	}
	return string(position), nil
}

// matches tells whether a record passes a filter; a nil filter passes all.
func matches(filter *deploymentv1.RecordFilter, record *v1alpha1.DeploymentRecord) bool {
	unit := record.Spec.DeploymentUnit
	return (filter.GetPackageName() == "" || filter.GetPackageName() == unit.PackageName) &&
		(filter.GetClassKey() == "" || filter.GetClassKey() == unit.ClassKey) &&
		(filter.GetEnvironment() == "" || filter.GetEnvironment() == record.Spec.TargetEnvironment) &&
		(filter.GetCondition() == deploymentv1.RecordCondition_RECORD_CONDITION_UNSPECIFIED ||
			filter.GetCondition() == conditionMessage(record.Status.Condition))
}
