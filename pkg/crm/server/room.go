// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"

	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

const (
	// maxRecord is what etcd holds of one object, as it is set up where nobody says
	// otherwise, in bytes.
	maxRecord = 1536 << 10
	// smallUnit is the size, in bytes, up to which a unit has room whatever is in it:
	// what needs most beside itself are functions with short names and nothing else,
	// of which the record takes 22 times as much.
	smallUnit = 32 << 10
	// statusOfFunction and statusOfRecord are what a status takes at the most with the
	// owners of its fields, in bytes: for each function its readiness and the names of
	// three or four objects, apart from its key, and all the rest.
	statusOfFunction = 1400
	statusOfRecord   = 128 << 10
)

// room refuses a unit whose record would leave none for its status: it would be
// accepted, and nobody could be told how it is doing. Only the API server knows what
// it notes of the owners of a record's fields, so a large one is tried first. In a
// namespace that the write is about to make, nothing can be tried.
func (d *deployments) room(ctx context.Context, place place, unit *deploymentv1.DeploymentUnit, wanted *unstructured.Unstructured) error {
	if proto.Size(unit) <= smallUnit {
		return nil
	}
	tried := wanted.DeepCopy()
	if err := d.write(ctx, place, tried, true); err != nil {
		return nil //nolint:nilerr // the write itself says so, too
	}
	size, err := sizeWithoutStatus(tried)
	if err != nil {
		return err
	}
	if room := maxRecord - sizeOfStatus(unit); size > room {
		return invalid(field.ErrorList{field.Invalid(field.NewPath("unit"), fmt.Sprintf("<record of %d bytes>", size),
			fmt.Sprintf("must not exceed %d bytes with an owner noted for each field, since the cluster stores the status of all functions beside it: %s", room, lessOfIt))})
	}
	return nil
}

func sizeOfStatus(unit *deploymentv1.DeploymentUnit) int {
	size := statusOfRecord
	for _, f := range unit.GetFunctionContainers() {
		// The key is also how the API server tells which one a field is of.
		size += statusOfFunction + 2*len(f.GetFunctionKey())
	}
	return size
}

// lessOfIt is what helps a record that is too large.
const lessOfIt = "use fewer variables, volumes, bindings or functions, or split the class"

func sizeWithoutStatus(record *unstructured.Unstructured) (int, error) {
	delete(record.Object, "status")
	record.SetManagedFields(slices.DeleteFunc(record.GetManagedFields(), func(entry metav1.ManagedFieldsEntry) bool {
		return entry.Subresource == "status"
	}))
	encoded, err := json.Marshal(record)
	if err != nil {
		return 0, fmt.Errorf("encode the record: %w", err)
	}
	return len(encoded), nil
}
