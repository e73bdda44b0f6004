// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecords

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apiserver/pkg/warning"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/clusterrecord"
	"oaas.io/oaas/pkg/crmclient"
	"oaas.io/oaas/pkg/registry/pm/computed"
)

// warnings is the number of clusters that one answer warns of by name. A header
// has little room.
const warnings = 10

// source answers clients from the records, and warns of clusters that it cannot
// speak for.
type source struct {
	*records
	live computed.Live[*pm.DeploymentRecord]
}

var _ computed.Source[*pm.DeploymentRecord] = (*source)(nil)

func newSource(r *records) *source {
	return &source{records: r, live: computed.Live[*pm.DeploymentRecord]{
		Resource: pm.Resource(described().Plural), Window: r.window, Snapshot: r.snapshot, Lookup: r.lookup,
	}}
}

// Get returns a record.
func (s *source) Get(ctx context.Context, namespace, name, resourceVersion string) (*pm.DeploymentRecord, error) {
	revision, err := computed.ParseRevision(resourceVersion)
	if err != nil {
		return nil, err
	}
	if err := s.window.Ready(ctx); err != nil {
		return nil, err
	}
	s.reach(revision)
	cluster, _ := clusterrecord.SplitName(name)
	s.warn(ctx, cluster)
	return s.live.Get(ctx, namespace, name, resourceVersion)
}

// List returns the records that match a query.
func (s *source) List(ctx context.Context, query computed.Query) (computed.Page[*pm.DeploymentRecord], error) {
	var none computed.Page[*pm.DeploymentRecord]
	if err := s.window.Ready(ctx); err != nil {
		return none, err
	}
	if err := s.bind(query); err != nil {
		return none, err
	}
	cluster, _ := query.Predicate.Field.RequiresExactMatch("spec.cluster")
	s.warn(ctx, cluster)
	return s.live.List(ctx, query)
}

// bind refuses a version that was given out elsewhere where the answer has to be
// exactly that version's, and otherwise reaches it.
func (s *source) bind(query computed.Query) error {
	if query.Continue != "" {
		token, err := computed.DecodeToken(query.Continue, 2)
		if err != nil {
			return err
		}
		if token.Revision != computed.NewestRevision && !s.knows(uint64(token.Revision)) {
			return computed.ContinueExpired(token.After)
		}
		return nil
	}
	revision, err := computed.ParseRevision(query.ResourceVersion)
	if err != nil || revision == 0 {
		return err
	}
	if query.Match == metav1.ResourceVersionMatchExact || query.Match == "" && query.Limit > 0 {
		if !s.knows(revision) {
			return apierrors.NewResourceExpired(fmt.Sprintf("resourceVersion %d was given out by another replica or too long ago: list without it", revision))
		}
		return nil
	}
	s.reach(revision)
	return nil
}

// warn tells the client of every cluster whose records may be missing or old, or
// of the given one alone.
func (s *source) warn(ctx context.Context, cluster string) {
	silent := 0
	for _, state := range s.pool.States() {
		if state.Reliable() || cluster != "" && state.Cluster != cluster {
			continue
		}
		if silent++; silent <= warnings {
			warning.AddWarning(ctx, "", s.describe(state))
		}
	}
	if silent > warnings {
		warning.AddWarning(ctx, "", fmt.Sprintf("%d more clusters are away", silent-warnings))
	}
}

func (s *source) describe(state crmclient.State) string {
	now := s.clock.Now()
	switch {
	case state.Known:
		return fmt.Sprintf("cluster %s has been away for %s: its records are as it told them last",
			state.Cluster, duration.HumanDuration(now.Sub(state.LastHeard)))
	case state.Link == nil:
		return fmt.Sprintf("cluster %s has no link for %s, its condition Ready tells why: records of it may be missing",
			state.Cluster, duration.HumanDuration(now.Sub(state.Since)))
	default:
		return fmt.Sprintf("cluster %s was not heard of yet, for %s: records of it may be missing",
			state.Cluster, duration.HumanDuration(now.Sub(state.Since)))
	}
}
