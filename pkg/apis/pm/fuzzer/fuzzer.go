// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package fuzzer fills objects of the Package Manager's API with random values
// for tests that convert and encode them.
package fuzzer

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	runtimeserializer "k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/randfill"

	"oaas.io/oaas/pkg/apis/pm"
)

// Funcs fills the fields that have defaults with anything but nothing: an absent
// value comes back as the default, which is right, but not what was sent.
func Funcs(_ runtimeserializer.CodecFactory) []any {
	return []any{
		func(f *pm.FunctionDefinition, c randfill.Continue) {
			c.FillNoCustom(f)
			f.Type = pick(c, pm.FunctionBuiltin, pm.FunctionCustom, pm.FunctionMacro, pm.FunctionLogical, pm.FunctionWasm)
			if f.Provision != nil && f.Provision.Port == 0 {
				f.Provision.Port = 8080
			}
		},
		func(s *pm.StateSpec, c randfill.Continue) {
			c.FillNoCustom(s)
			s.ConsistencyModel = pick(c, pm.ConsistencyNone, pm.ConsistencyReadYourWrite, pm.ConsistencyBoundedStaleness, pm.ConsistencyStrong)
		},
		func(b *pm.FunctionBinding, c randfill.Continue) {
			c.FillNoCustom(b)
			b.AccessModifier = pick(c, pm.AccessPublic, pm.AccessInternal, pm.AccessPrivate)
		},
		func(p *pm.HTTPProbe, c randfill.Continue) {
			c.FillNoCustom(p)
			p.PeriodSeconds, p.TimeoutSeconds, p.FailureThreshold = positive(c), positive(c), positive(c)
		},
		func(s *pm.RuntimeStateStatus, c randfill.Continue) {
			c.FillNoCustom(s)
			s.Health = pick(c, pm.RuntimeHealthy, pm.RuntimeDegraded, pm.RuntimeUnhealthy, pm.RuntimeUnknown)
		},
		func(p *pm.Placement, c randfill.Continue) {
			c.FillNoCustom(p)
			p.OnUnreachable = pick(c, pm.UnreachableBestEffort, pm.UnreachableRefuse)
		},
		func(s *pm.ClassDeploymentSpec, c randfill.Continue) {
			c.FillNoCustom(s)
			s.DeletionPolicy = pick(c, pm.DeletionDelete, pm.DeletionRetain)
		},
		func(s *pm.ClusterSpec, c randfill.Continue) {
			c.FillNoCustom(s)
			attempts := positive(c)
			s.Timeout = &metav1.Duration{Duration: time.Duration(positive(c)) * time.Second}
			s.RetryAttempts = &attempts
		},
		func(a *pm.ClusterAuth, c randfill.Continue) {
			c.FillNoCustom(a)
			a.Type = pick(c, pm.ClusterAuthNone, pm.ClusterAuthBearer, pm.ClusterAuthBasic, pm.ClusterAuthCertificate)
		},
	}
}

func pick[T any](c randfill.Continue, values ...T) T { return values[c.Intn(len(values))] }

func positive(c randfill.Continue) int32 { return 1 + c.Int31n(1000) }
