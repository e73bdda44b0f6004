// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"fmt"
	"sync/atomic"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	authorizationcel "k8s.io/apiserver/pkg/authorization/cel"
	"k8s.io/apiserver/pkg/authorization/path"
	"k8s.io/apiserver/pkg/authorization/union"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	authorizationmetrics "k8s.io/apiserver/pkg/server/options/authorizationconfig/metrics"
	webhookutil "k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/apiserver/plugin/pkg/authorizer/webhook"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/apiserver/standalone/roles"
)

// webhookName is the webhook's name in errors.
const webhookName = "authorization-webhook"

// Authorization says what clients may do.
type Authorization struct {
	authorizer.Authorizer

	roles   atomic.Pointer[roles.Mapping]
	watched []*watchedFile
}

// NewAuthorization returns an authorizer that allows everything to privileged
// groups and nothing but the paths that are always allowed, what a role allows
// and what the webhook allows to everybody else. serverID tells replicas apart in
// metrics.
func (o *Options) NewAuthorization(ctx context.Context, delegating *genericoptions.DelegatingAuthorizationOptions, serverID string) (*Authorization, error) {
	a := &Authorization{}
	alwaysAllowed, err := path.NewAuthorizer(delegating.AlwaysAllowPaths)
	if err != nil {
		return nil, fmt.Errorf("--authorization-always-allow-paths: %w", err)
	}
	handlers := []union.NamedAuthorizer{
		{AuthorizerName: "always-allow-groups", Authorizer: authorizerfactory.NewPrivilegedGroups(delegating.AlwaysAllowGroups...)},
		{AuthorizerName: "always-allow-paths", Authorizer: alwaysAllowed},
	}
	if o.RolesFile != "" {
		authorizationmetrics.RegisterMetrics()
		file := &watchedFile{
			flag: "--authorization-roles-file", path: o.RolesFile, clock: clock.RealClock{},
			apply: func(_ context.Context, content []byte) error {
				mapping, err := roles.Load(content)
				if err != nil {
					return err
				}
				a.roles.Store(mapping)
				return nil
			},
			applied: func(content []byte) {
				authorizationmetrics.RecordAuthorizationConfigAutomaticReloadSuccess(serverID, string(content))
			},
			failed: func() { authorizationmetrics.RecordAuthorizationConfigAutomaticReloadFailure(serverID) },
		}
		if err := file.load(ctx); err != nil {
			return nil, err
		}
		authorizationmetrics.RecordAuthorizationConfigLastConfigInfo(serverID, string(file.seen))
		a.watched = append(a.watched, file)
		handlers = append(handlers, union.NamedAuthorizer{AuthorizerName: "roles", Authorizer: authorizer.AuthorizerFunc(a.byRole)})
	}
	if o.WebhookConfigFile != "" {
		asked, err := o.newWebhook(delegating)
		if err != nil {
			return nil, err
		}
		handlers = append(handlers, union.NamedAuthorizer{AuthorizerName: webhookName, Authorizer: asked})
	}
	if a.Authorizer, err = union.New(handlers...); err != nil {
		return nil, fmt.Errorf("set up authorization: %w", err)
	}
	return a, nil
}

// Watch reads the roles again whenever their file changes, until the context
// ends.
func (a *Authorization) Watch(ctx context.Context) {
	for _, file := range a.watched {
		file.watch(ctx)
	}
}

func (a *Authorization) byRole(_ context.Context, request authorizer.Attributes) (authorizer.Decision, string, error) {
	mapping := a.roles.Load()
	binding, allowed := mapping.Allows(request)
	if !allowed {
		return authorizer.DecisionNoOpinion, "", nil
	}
	return authorizer.DecisionAllow, fmt.Sprintf("bindings[%d] of --authorization-roles-file gives the role %s", binding, mapping.Bindings[binding].Role), nil
}

// newWebhook asks a service. One that does not answer allows nothing.
func (o *Options) newWebhook(delegating *genericoptions.DelegatingAuthorizationOptions) (authorizer.Authorizer, error) {
	config, err := webhookutil.LoadKubeconfig(o.WebhookConfigFile, nil)
	if err != nil {
		return nil, fmt.Errorf("read --authorization-webhook-config-file: %w", err)
	}
	config.Timeout = delegating.ClientTimeout
	asked, err := webhook.New(config, authorizationv1.SchemeGroupVersion.Version, delegating.AllowCacheTTL, delegating.DenyCacheTTL,
		*delegating.WebhookRetryBackoff, authorizer.DecisionDeny, nil, webhookName,
		authorizerfactory.NewDelegatingAuthorizerMetrics(), authorizationcel.NewDefaultCompiler())
	if err != nil {
		return nil, fmt.Errorf("--authorization-webhook-config-file=%s: %w", o.WebhookConfigFile, err)
	}
	return asked, nil
}
