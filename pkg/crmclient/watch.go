// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crmclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"k8s.io/apimachinery/pkg/util/wait"

	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

// errIncomplete means that a stream broke the contract.
var errIncomplete = errors.New("the stream broke the contract")

// follow keeps the records up to date until ctx ends: it opens the stream of
// changes again whenever it breaks, and resumes where it broke off.
//
// A broken stream alone is no news, since a restart of the other side takes a
// moment: the records go stale when no contact was made for a while. A stale
// copy is fetched anew instead of resumed, because the end of the initial
// records then shows that the cluster is back, while a resumed stream may have
// nothing to say for hours.
func (l *Link) follow(ctx context.Context) {
	delays := l.newWatchBackoff()
	version := ""
	contact := l.opts.Clock.Now()
	for ctx.Err() == nil {
		opened := l.opts.Clock.Now()
		progressed, next, err := l.stream(ctx, version)
		if ctx.Err() != nil {
			return
		}
		version = next
		l.log.V(2).Info("Stream of deployment records ended", "err", err)
		now := l.opts.Clock.Now()
		switch {
		case progressed || (version != "" && now.Sub(opened) >= l.opts.StaleAfter):
			delays = l.newWatchBackoff()
			contact = now
			l.records.hear(now)
		case now.Sub(contact) >= l.opts.StaleAfter:
			version = ""
			if l.records.setStale(true) {
				l.log.Info("Cluster is out of contact, its deployment records may be outdated", "err", err)
				l.changed(Change{Cluster: l.cluster})
			}
		}
		if status.Code(err) == codes.OutOfRange || errors.Is(err, errIncomplete) {
			version = ""
		}
		select {
		case <-ctx.Done():
		case <-l.opts.Clock.After(delays.Step()):
		}
	}
}

func (l *Link) newWatchBackoff() *wait.Backoff {
	return &wait.Backoff{Duration: l.opts.WatchBackoff, Factor: 2, Jitter: 0.3, Steps: 20, Cap: l.opts.MaxWatchBackoff}
}

// stream follows one stream until it ends. progressed is true when the cluster
// sent anything; next is the version to resume after.
func (l *Link) stream(ctx context.Context, version string) (progressed bool, next string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, CorrelationIDKey, uuid.NewString())
	if version == "" {
		// A cluster that accepts the stream and never tells its records counts as
		// out of contact; afterwards, keepalive watches over the connection.
		silence := time.AfterFunc(l.settings.Timeout, cancel)
		defer silence.Stop()
		defer func() {
			if ctx.Err() != nil && !progressed {
				err = fmt.Errorf("no deployment records within %s: %w", l.settings.Timeout, err)
			}
		}()
		return l.receive(ctx, "", func() { silence.Stop() })
	}
	return l.receive(ctx, version, func() {})
}

func (l *Link) receive(ctx context.Context, version string, heard func()) (progressed bool, next string, err error) {
	next = version
	stream, err := l.deployments.WatchDeploymentRecords(ctx, &deploymentv1.WatchDeploymentRecordsRequest{ResourceVersion: version})
	if err != nil {
		return false, next, fmt.Errorf("opening the stream: %w", err)
	}
	initial := map[string]*deploymentv1.DeploymentRecord{}
	collecting := version == ""
	for {
		event, err := stream.Recv()
		if err != nil {
			return progressed, next, fmt.Errorf("following the stream: %w", err)
		}
		heard()
		progressed = true
		if collecting {
			done, err := l.collect(initial, event)
			if err != nil {
				return progressed, "", err
			}
			if !done {
				continue
			}
			collecting = false
		} else if err := l.apply(event); err != nil {
			return progressed, "", err
		}
		l.alive()
		// Only now: a stream that breaks before the initial records are complete
		// has to start anew.
		next = event.GetResourceVersion()
	}
}

// collect takes one of the initial records; done is true at the bookmark that
// ends them.
func (l *Link) collect(initial map[string]*deploymentv1.DeploymentRecord, event *deploymentv1.WatchDeploymentRecordsResponse) (done bool, err error) {
	id := event.GetRecord().GetUnit().GetId()
	switch event.GetType() {
	case deploymentv1.WatchEventType_WATCH_EVENT_TYPE_ADDED, deploymentv1.WatchEventType_WATCH_EVENT_TYPE_MODIFIED:
		if id == "" {
			return false, fmt.Errorf("%w: %s without a record", errIncomplete, event.GetType())
		}
		initial[id] = event.GetRecord()
	case deploymentv1.WatchEventType_WATCH_EVENT_TYPE_DELETED:
		delete(initial, id)
	case deploymentv1.WatchEventType_WATCH_EVENT_TYPE_BOOKMARK:
		touched, first := l.records.replace(initial)
		l.alive()
		if first {
			// Whoever waits for a record that the cluster lost hears of it in no
			// other way.
			l.changed(Change{Cluster: l.cluster})
		}
		for _, record := range touched {
			l.recordChanged(record)
		}
		return true, nil
	case deploymentv1.WatchEventType_WATCH_EVENT_TYPE_UNSPECIFIED:
		return false, fmt.Errorf("%w: an event without a type", errIncomplete)
	}
	return false, nil
}

func (l *Link) apply(event *deploymentv1.WatchDeploymentRecordsResponse) error {
	record := event.GetRecord()
	id := record.GetUnit().GetId()
	switch event.GetType() {
	case deploymentv1.WatchEventType_WATCH_EVENT_TYPE_BOOKMARK:
		return nil
	case deploymentv1.WatchEventType_WATCH_EVENT_TYPE_ADDED, deploymentv1.WatchEventType_WATCH_EVENT_TYPE_MODIFIED:
		if id == "" {
			return fmt.Errorf("%w: %s without a record", errIncomplete, event.GetType())
		}
		l.records.put(record)
	case deploymentv1.WatchEventType_WATCH_EVENT_TYPE_DELETED:
		l.records.remove(id)
	case deploymentv1.WatchEventType_WATCH_EVENT_TYPE_UNSPECIFIED:
		return fmt.Errorf("%w: an event without a type", errIncomplete)
	}
	l.recordChanged(record)
	return nil
}

// alive notes that the cluster speaks: its records are up to date, and there is
// no reason to keep calls from it.
func (l *Link) alive() {
	// Also when the records never went stale: a few calls during a short restart
	// are enough to open the breaker.
	l.breaker.reset()
	l.records.hear(l.opts.Clock.Now())
	if l.records.setStale(false) {
		l.changed(Change{Cluster: l.cluster})
	}
}

func (l *Link) recordChanged(record *deploymentv1.DeploymentRecord) {
	unit := record.GetUnit()
	l.changed(Change{Cluster: l.cluster, DeploymentID: unit.GetId(), Namespace: unit.GetNamespace(), ClassDeployment: unit.GetClassDeployment()})
}
