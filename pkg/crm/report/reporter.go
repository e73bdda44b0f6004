// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"google.golang.org/grpc"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/config"
	packagev1 "oaas.io/oaas/pkg/generated/grpc/oaas/package/v1"
)

const (
	// settle is how long changes are collected before they are sent.
	settle = time.Second
	// firstPause and longestPause bound the wait after a report that failed.
	firstPause   = time.Second
	longestPause = 2 * time.Minute
)

// Options are what a reporter works with.
type Options struct {
	// Settings say whom to report to, Security which certificate to show.
	Settings config.Report
	Security config.Security
	// Cache holds the records.
	Cache cache.Cache
	// Clock tells the time.
	Clock clock.WithTicker
	// Log is where failures are logged.
	Log logr.Logger
}

// Reporter reports the records that this copy of the program reconciles.
type Reporter struct {
	options Options
	// connection is nil until it is needed and after a report that failed: settings
	// in files may have changed.
	connection *grpc.ClientConn

	mu      sync.Mutex
	changed map[types.NamespacedName]bool
	// wake is sent to, without waiting, when something changed.
	wake chan struct{}
}

// New returns a reporter that works once it is started.
func New(options Options) *Reporter {
	return &Reporter{options: options, changed: map[types.NamespacedName]bool{}, wake: make(chan struct{}, 1)}
}

// NeedLeaderElection tells the manager that only the copy that reconciles reports.
func (*Reporter) NeedLeaderElection() bool { return true }

// Start reports until ctx ends: everything at each interval, and in between what
// has changed. After a failure it pauses and reports everything.
func (r *Reporter) Start(ctx context.Context) error {
	informer, err := r.options.Cache.GetInformer(ctx, &v1alpha1.DeploymentRecord{})
	if err != nil {
		return fmt.Errorf("watch records to report them: %w", err)
	}
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: r.note,
		UpdateFunc: func(before, after any) {
			if differs(before, after) {
				r.note(after)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watch records to report them: %w", err)
	}
	defer func() { _ = informer.RemoveEventHandler(registration) }()
	defer r.hangUp()

	interval := time.Duration(r.options.Settings.IntervalSecs) * time.Second
	pauses, fullReport := newPauses(), r.options.Clock.Now()
	for {
		if !r.waitUntil(ctx, fullReport) {
			return nil
		}
		now := r.options.Clock.Now()
		all := !now.Before(fullReport)
		if err := r.report(ctx, all); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			pause := pauses.Step()
			r.options.Log.Error(err, "A report to the Package Manager failed, trying again", "endpoint", r.options.Settings.Endpoint, "after", pause.String())
			r.hangUp()
			// Also what changes during the pause waits for its end.
			if !r.sleep(ctx, pause) {
				return nil
			}
			fullReport = r.options.Clock.Now()
			continue
		}
		pauses = newPauses()
		if all {
			fullReport = now.Add(interval)
		}
	}
}

func newPauses() wait.Backoff {
	return wait.Backoff{Duration: firstPause, Factor: 2, Jitter: 0.2, Steps: 16, Cap: longestPause}
}

// waitUntil waits for a moment, or for changes and then a little more, so that many
// go together. It returns false when ctx has ended.
func (r *Reporter) waitUntil(ctx context.Context, moment time.Time) bool {
	left := moment.Sub(r.options.Clock.Now())
	if left <= 0 {
		return ctx.Err() == nil
	}
	timer := r.options.Clock.NewTimer(left)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C():
		return true
	case <-r.wake:
		return r.sleep(ctx, settle)
	}
}

func (r *Reporter) sleep(ctx context.Context, duration time.Duration) bool {
	timer := r.options.Clock.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C():
		return true
	}
}

// differs tells whether an update says anything that is reported.
func differs(before, after any) bool {
	old, ok := before.(*v1alpha1.DeploymentRecord)
	record, ok2 := after.(*v1alpha1.DeploymentRecord)
	if !ok || !ok2 {
		return false
	}
	return healthOf(old.Status.Conditions) != healthOf(record.Status.Conditions) ||
		old.Status.Condition != record.Status.Condition || old.Status.Phase != record.Status.Phase || old.Status.Message != record.Status.Message ||
		!reflect.DeepEqual(old.Status.FunctionContainerStatus, record.Status.FunctionContainerStatus)
}

// note remembers a record to report. It runs within the informer and never waits.
func (r *Reporter) note(object any) {
	record, ok := object.(*v1alpha1.DeploymentRecord)
	if !ok {
		return
	}
	r.mu.Lock()
	r.changed[types.NamespacedName{Namespace: record.Namespace, Name: record.Name}] = true
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *Reporter) takeChanged() map[types.NamespacedName]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.changed
	r.changed = map[types.NamespacedName]bool{}
	return taken
}

// report sends all records, or those that have changed.
func (r *Reporter) report(ctx context.Context, all bool) error {
	changed := r.takeChanged()
	list := &v1alpha1.DeploymentRecordList{}
	if err := r.options.Cache.List(ctx, list); err != nil {
		return fmt.Errorf("list records: %w", err)
	}
	now := r.options.Clock.Now()
	var (
		statuses []*packagev1.UnitStatus
		metrics  []*packagev1.UnitMetrics
	)
	for i := range list.Items {
		record := &list.Items[i]
		if !reported(record) || !all && !changed[types.NamespacedName{Namespace: record.Namespace, Name: record.Name}] {
			continue
		}
		statuses = append(statuses, statusOf(record, now))
		metrics = append(metrics, metricsOf(record, now))
	}
	if len(statuses) == 0 {
		return nil
	}
	client, err := r.client()
	if err != nil {
		return err
	}
	s := sender{client: client, cluster: r.options.Settings.Cluster, log: r.options.Log}
	if err := s.statuses(ctx, statuses); err != nil {
		return fmt.Errorf("report the status of units: %w", err)
	}
	if err := s.metrics(ctx, metrics); err != nil {
		return fmt.Errorf("report the metrics of units: %w", err)
	}
	return nil
}

func (r *Reporter) client() (packagev1.PackageServiceClient, error) {
	if r.connection == nil {
		connection, err := dial(r.options.Settings, r.options.Security)
		if err != nil {
			return nil, err
		}
		r.connection = connection
	}
	return packagev1.NewPackageServiceClient(r.connection), nil
}

func (r *Reporter) hangUp() {
	if r.connection != nil {
		_ = r.connection.Close()
		r.connection = nil
	}
}
