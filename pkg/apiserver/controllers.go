// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"

	"oaas.io/oaas/pkg/controller/classdeployment"
	"oaas.io/oaas/pkg/controller/cluster"
	"oaas.io/oaas/pkg/controller/packages"
	"oaas.io/oaas/pkg/controller/runtimestates"
	"oaas.io/oaas/pkg/crmclient"
	"oaas.io/oaas/pkg/generated/clientset/versioned"
	clientscheme "oaas.io/oaas/pkg/generated/clientset/versioned/scheme"
	"oaas.io/oaas/pkg/generated/informers/externalversions"
	"oaas.io/oaas/pkg/wording"
)

const (
	// leaseName is the lease that the leader holds, and the name under which
	// events are reported.
	leaseName = "oaas-apiserver"
	// leaseDuration is how long the others wait for a leader that was killed.
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
	// resync has everything looked at again now and then, in case a notice got
	// lost. It writes nothing where nothing differs.
	resync = 10 * time.Minute
)

// ControllerConfig is what the controllers run with.
type ControllerConfig struct {
	// Loopback reaches this server's own API.
	Loopback *rest.Config
	// Host reaches the cluster that hosts the Package Manager, which holds the
	// lease, the Secrets of clusters, and the events. Nil without one: then there
	// is no election, no Secret and no event.
	Host *rest.Config
	// LeaderElect lets one replica at a time run the controllers.
	LeaderElect bool
	// LeaseNamespace holds the lease. Defaults to oaas-system.
	LeaseNamespace string
	// Identity of this replica in the lease. Defaults to the host name and a
	// random suffix.
	Identity string
	// HealthInterval is how often clusters are asked how they are doing. Defaults
	// to 30 s.
	HealthInterval time.Duration
	// Pool holds the links to the clusters, which RunLinks keeps.
	Pool *crmclient.Pool
	// Dependents keeps the lists of dependents of packages. Without it they stay as
	// they are.
	Dependents packages.Dependents
}

// RunControllers runs the controllers until ctx ends, then waits for what is
// under way. A replica that loses the lease stops its controllers and stands for
// election again.
func RunControllers(ctx context.Context, config ControllerConfig) error {
	if config.Loopback == nil {
		return errors.New("controllers: Loopback is not set: give the configuration of the server's own API")
	}
	if config.Pool == nil {
		return errors.New("controllers: Pool is not set: give the pool whose links RunLinks keeps")
	}
	ctx = klog.NewContext(ctx, klog.FromContext(ctx).WithName("controllers"))
	if config.Host == nil {
		return work(ctx, config, nil)
	}
	host, err := kubernetes.NewForConfig(unthrottled(config.Host))
	if err != nil {
		return fmt.Errorf("controllers: client for the host cluster: %w", err)
	}
	if !config.LeaderElect {
		return work(ctx, config, host)
	}
	lock, err := newLock(config, host)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := lead(ctx, lock, func(ctx context.Context) error { return work(ctx, config, host) }); err != nil {
			return err
		}
	}
	return nil
}

// work runs the controllers once, until ctx ends.
func work(ctx context.Context, config ControllerConfig, host kubernetes.Interface) error {
	client, err := newLoopbackClient(config.Loopback)
	if err != nil {
		return err
	}
	recorder, stopEvents, err := newRecorder(ctx, host)
	if err != nil {
		return err
	}
	defer stopEvents()

	factory := externalversions.NewSharedInformerFactoryWithOptions(client, resync, externalversions.WithTransform(withoutManagedFields))
	controllers, err := newControllers(client, factory, config, recorder)
	if err != nil {
		return fmt.Errorf("controllers: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer factory.Shutdown()
	defer cancel()
	factory.StartWithContext(ctx)

	klog.FromContext(ctx).Info("Controllers started")
	failures := make([]error, len(controllers))
	var running sync.WaitGroup
	for i, controller := range controllers {
		running.Go(func() {
			// One that cannot work stops the others, so that somebody notices.
			defer cancel()
			failures[i] = controller.Run(ctx)
		})
	}
	running.Wait()
	klog.FromContext(ctx).Info("Controllers stopped")
	if context.Cause(ctx) != nil && allCanceled(failures) {
		return nil
	}
	return errors.Join(failures...)
}

// controller works until its context ends.
type controller interface {
	Run(ctx context.Context) error
}

// withoutManagedFields keeps controllers from holding who set which field, which
// is a good part of an object and no concern of theirs. An object that is written
// without them keeps those that are stored.
func withoutManagedFields(object any) (any, error) {
	// What is no object tells of one that went.
	if accessor, err := meta.Accessor(object); err == nil {
		accessor.SetManagedFields(nil)
	}
	return object, nil
}

func newControllers(
	client versioned.Interface, factory externalversions.SharedInformerFactory, config ControllerConfig, recorder events.EventRecorder,
) ([]controller, error) {
	informers := factory.Pm().V1alpha1()
	deployments, err := classdeployment.New(classdeployment.Config{
		Client: client, ClassDeployments: informers.ClassDeployments(), Packages: informers.Packages(),
		Clusters: informers.Clusters(), Pool: config.Pool, Events: recorder,
	})
	if err != nil {
		return nil, err
	}
	clusters, err := cluster.New(cluster.Config{
		Client: client, Clusters: informers.Clusters(), ClassDeployments: informers.ClassDeployments(), Pool: config.Pool,
		Events: recorder, Interval: config.HealthInterval,
	})
	if err != nil {
		return nil, err
	}
	pkgs, err := packages.New(packages.Config{
		Client: client, Packages: informers.Packages(), ClassDeployments: informers.ClassDeployments(),
		Dependents: config.Dependents, Events: recorder,
	})
	if err != nil {
		return nil, err
	}
	states, err := runtimestates.New(runtimestates.Config{
		Client: client, RuntimeStates: informers.RuntimeStates(), ClassDeployments: informers.ClassDeployments(),
	})
	if err != nil {
		return nil, err
	}
	return []controller{deployments, clusters, pkgs, states}, nil
}

func allCanceled(failures []error) bool {
	for _, failure := range failures {
		if failure != nil && !errors.Is(failure, context.Canceled) {
			return false
		}
	}
	return true
}

func newLock(config ControllerConfig, host kubernetes.Interface) (resourcelock.Interface, error) {
	identity := config.Identity
	if identity == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("controllers: host name for the lease: %w", err)
		}
		identity = name + "_" + uuid.NewString()
	}
	namespace := config.LeaseNamespace
	if namespace == "" {
		namespace = NewControllerOptions().LeaseNamespace
	}
	lock, err := resourcelock.New(resourcelock.LeasesResourceLock, namespace, leaseName, host.CoreV1(), host.CoordinationV1(),
		resourcelock.ResourceLockConfig{Identity: identity})
	if err != nil {
		return nil, fmt.Errorf("controllers: lease %s/%s: %w", namespace, leaseName, err)
	}
	return lock, nil
}

// lead waits for the lease, works while it is held, and returns once the work
// has stopped. The lease is given back only then, so that two replicas never
// work at the same time during an orderly stop.
func lead(ctx context.Context, lock resourcelock.Interface, whileHeld func(context.Context) error) error {
	held, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	var (
		mu      sync.Mutex
		leading bool
		failure error
		done    = make(chan struct{})
	)
	stop := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		if !leading {
			release()
		}
	})
	defer stop()
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod,
		ReleaseOnCancel: true, Name: leaseName,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(lease context.Context) {
				defer close(done)
				defer release()
				mu.Lock()
				leading = true
				mu.Unlock()
				working, cancel := context.WithCancel(lease)
				defer cancel()
				defer context.AfterFunc(ctx, cancel)()
				failure = whileHeld(working)
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return fmt.Errorf("controllers: leader election: %w", err)
	}
	elector.Run(held)
	mu.Lock()
	wasLeading := leading
	mu.Unlock()
	if !wasLeading {
		return nil
	}
	<-done
	return failure
}

// newRecorder reports events to the host cluster, or nowhere without one.
func newRecorder(ctx context.Context, host kubernetes.Interface) (events.EventRecorder, func(), error) {
	if host == nil {
		return noEvents{}, func() {}, nil
	}
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: host.EventsV1()})
	if err := broadcaster.StartRecordingToSinkWithContext(ctx); err != nil {
		broadcaster.Shutdown()
		return nil, nil, fmt.Errorf("controllers: recording events: %w", err)
	}
	return boundedEvents{broadcaster.NewRecorder(clientscheme.Scheme, leaseName)}, broadcaster.Shutdown, nil
}

// boundedEvents cuts notes to what an Event may hold. The cluster refuses longer ones,
// and nobody would hear of what happened.
type boundedEvents struct{ events.EventRecorder }

// Eventf implements events.EventRecorder.
func (e boundedEvents) Eventf(regarding, related runtime.Object, eventtype, reason, action, note string, args ...any) {
	e.EventRecorder.Eventf(regarding, related, eventtype, reason, action, "%s", wording.Cut(fmt.Sprintf(note, args...), wording.NoteRoom))
}

// noEvents drops events where no cluster could hold them.
type noEvents struct{}

var _ events.EventRecorder = noEvents{}

// Eventf implements events.EventRecorder.
func (noEvents) Eventf(runtime.Object, runtime.Object, string, string, string, string, ...any) {}
