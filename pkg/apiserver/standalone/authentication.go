// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	api "k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/anonymous"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/request/union"
	"k8s.io/apiserver/pkg/authentication/request/websocket"
	"k8s.io/apiserver/pkg/authentication/token/cache"
	authenticationmetrics "k8s.io/apiserver/pkg/server/options/authenticationconfig/metrics"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

const (
	// issuersReadyWithin is how long issuers in a changed file may take to answer
	// before the change is refused.
	issuersReadyWithin = 20 * time.Second
	// retireAfter is how long requests that began with the former issuers may still
	// use them.
	retireAfter = time.Minute
)

// Authentication says who clients are.
type Authentication struct {
	// clients tells by certificates.
	clients []authenticator.Request
	// issuers makes authenticators of tokens.
	issuers issuers
	clock   clock.WithDelayedExecution

	current atomic.Pointer[generation]
	watched []*watchedFile
}

var _ authenticator.Request = (*Authentication)(nil)

// generation is what one content of the file means.
type generation struct {
	authenticator.Request
	stop context.CancelFunc
}

// NewAuthentication returns an authenticator that knows clients by the given
// authenticators and by tokens of the issuers in the file. Issuers that do not
// answer yet are asked again until the context ends. serverID tells replicas
// apart in metrics.
func (o *Options) NewAuthentication(ctx context.Context, clients []authenticator.Request, serverID string) (*Authentication, error) {
	a := &Authentication{clients: clients, issuers: newIssuers(serverID), clock: clock.RealClock{}}
	if o.AuthenticationConfigFile == "" {
		if len(clients) == 0 {
			return nil, errors.New("nobody could be known: set --client-ca-file or --authentication-config")
		}
		a.current.Store(&generation{Request: withAnonymous(union.New(clients...), nil), stop: func() {}})
		return a, nil
	}
	authenticationmetrics.RegisterMetrics()
	file := &watchedFile{
		flag: "--authentication-config", path: o.AuthenticationConfigFile,
		apply: a.apply, clock: a.clock,
		applied: func(content []byte) {
			authenticationmetrics.RecordAuthenticationConfigAutomaticReloadSuccess(serverID, string(content))
		},
		failed: func() { authenticationmetrics.RecordAuthenticationConfigAutomaticReloadFailure(serverID) },
	}
	if err := file.load(ctx); err != nil {
		return nil, err
	}
	authenticationmetrics.RecordAuthenticationConfigLastConfigInfo(serverID, string(file.seen))
	a.watched = append(a.watched, file)
	return a, nil
}

// Watch reads the issuers again whenever their file changes, until the context
// ends.
func (a *Authentication) Watch(ctx context.Context) {
	for _, file := range a.watched {
		file.watch(ctx)
	}
}

// AuthenticateRequest implements authenticator.Request.
func (a *Authentication) AuthenticateRequest(request *http.Request) (*authenticator.Response, bool, error) {
	return a.current.Load().AuthenticateRequest(request)
}

// apply puts the issuers in a file's content into effect. Where others are in
// effect already, the new ones must answer first: a typing error in an address
// would lock everybody out.
func (a *Authentication) apply(ctx context.Context, content []byte) error {
	config, err := a.issuers.load(content)
	if err != nil {
		return err
	}
	if len(config.JWT) == 0 && len(a.clients) == 0 {
		return errors.New("jwt is empty and --client-ca-file is not set: nobody could be known")
	}
	lifetime, stop := context.WithCancel(ctx)
	tokens, healthy, err := a.issuers.open(lifetime, config)
	if err != nil {
		stop()
		return err
	}
	if a.current.Load() != nil {
		if err := waitUntil(ctx, healthy); err != nil {
			stop()
			return err
		}
	}
	clients := a.clients
	if tokens != nil {
		cached := cache.New(tokens, true, tokenCacheTTL, 0)
		clients = append(slices.Clip(clients), bearertoken.New(cached), websocket.NewProtocolAuthenticator(cached))
	}
	former := a.current.Swap(&generation{Request: withAnonymous(union.New(clients...), config.Anonymous), stop: stop})
	if former != nil {
		a.clock.AfterFunc(retireAfter, former.stop)
	}
	return nil
}

// withAnonymous adds the group of all that are known, and lets the others in
// without a name: as such they may ask for health and get 403 for all else.
func withAnonymous(known authenticator.Request, config *api.AnonymousAuthConfig) authenticator.Request {
	known = group.NewAuthenticatedGroupAdder(known)
	if config != nil && !config.Enabled {
		return known
	}
	var conditions []api.AnonymousAuthCondition
	if config != nil {
		conditions = config.Conditions
	}
	return union.NewFailOnError(known, anonymous.NewAuthenticator(conditions))
}

func waitUntil(ctx context.Context, healthy func() error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, time.Second, issuersReadyWithin, true, func(context.Context) (bool, error) {
		last = healthy()
		return last == nil, nil
	})
	if err != nil {
		klog.FromContext(ctx).V(4).Info("Issuers did not become ready", "err", err)
		return fmt.Errorf("no answer within %s: %w", issuersReadyWithin, errors.Join(last, ctx.Err()))
	}
	return nil
}
