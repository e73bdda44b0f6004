// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package deploymentrecords serves the resource deploymentrecords: the live
// records of all clusters, as their Class Runtime Managers tell them. Nothing is
// stored; every replica follows the clusters by itself.
//
// A cluster that is away takes no record with it: its records stay as they were
// told last and are marked as stale, and whoever lists them is warned. They go
// when the cluster says so, or when its Cluster is deleted.
package deploymentrecords

import (
	"context"
	"math/rand/v2"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/resources"
	"oaas.io/oaas/pkg/crmclient"
	"oaas.io/oaas/pkg/registry/pm/computed"
)

// Options are what the resource is made with.
type Options struct {
	// Pool holds the links to the clusters, kept by somebody else.
	Pool *crmclient.Pool
	// Clock times resource versions and warnings. Defaults to the real one.
	Clock clock.Clock
	// Log gets what no client sees. The zero value discards it.
	Log logr.Logger
	// Replica tells the resource versions of this replica from those of others.
	// Only its last 10 bits count. Defaults to a random one.
	Replica uint64
}

// REST serves deployment records.
type REST = computed.REST[*pm.DeploymentRecord]

// NewStorage follows the clusters of a pool until the storage is destroyed.
func NewStorage(options Options) *REST {
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	if options.Log.GetSink() == nil {
		options.Log = logr.Discard()
	}
	if options.Replica == 0 {
		options.Replica = rand.Uint64()
	}
	r := newRecords(options)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.run(ctx)
	}()
	return computed.NewREST(computed.Resource[*pm.DeploymentRecord]{
		Resource:    described(),
		New:         func() *pm.DeploymentRecord { return &pm.DeploymentRecord{} },
		NewList:     newList,
		FieldValues: selectableFields,
		Columns:     columns(),
		Source:      newSource(r),
		Window:      r.window,
		Destroy: func() {
			stop()
			<-ended
		},
	})
}

func described() resources.Resource { return resources.Named(resources.DeploymentRecords) }

func newList(items []*pm.DeploymentRecord) runtime.Object {
	list := &pm.DeploymentRecordList{Items: make([]pm.DeploymentRecord, 0, len(items))}
	for _, item := range items {
		list.Items = append(list.Items, *item)
	}
	return list
}

func selectableFields(r *pm.DeploymentRecord) fields.Set {
	return fields.Set{
		"spec.cluster":         r.Spec.Cluster,
		"spec.environment":     r.Spec.Environment,
		"spec.packageName":     r.Spec.PackageName,
		"spec.classKey":        r.Spec.ClassKey,
		"spec.classDeployment": r.Spec.ClassDeployment,
		"status.condition":     r.Status.Condition,
	}
}
