// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

const (
	// DefaultFunctionPort is the port of a Custom function that names none.
	DefaultFunctionPort int32 = 8080
	// DefaultClusterTimeout is the timeout of one call to a cluster.
	DefaultClusterTimeout = 30 * time.Second
	// DefaultClusterRetryAttempts is how often a failed call to a cluster is
	// repeated before the controller backs off.
	DefaultClusterRetryAttempts int32 = 3
)

func addDefaultingFuncs(scheme *runtime.Scheme) error {
	return RegisterDefaults(scheme)
}

// SetDefaults_FunctionDefinition defaults the port of functions that have a workload. It
// runs before the type is defaulted, so that no type means Custom here too.
func SetDefaults_FunctionDefinition(f *FunctionDefinition) {
	custom := f.Type == FunctionCustom || f.Type == ""
	if custom && f.Provision != nil && f.Provision.Port == 0 {
		f.Provision.Port = DefaultFunctionPort
	}
}

// SetDefaults_ClusterSpec defaults how calls to the cluster are bounded.
func SetDefaults_ClusterSpec(c *ClusterSpec) {
	if c.Timeout == nil {
		c.Timeout = &metav1.Duration{Duration: DefaultClusterTimeout}
	}
	if c.RetryAttempts == nil {
		c.RetryAttempts = new(DefaultClusterRetryAttempts)
	}
}

// SetDefaults_HTTPProbe spells out what Kubernetes would default in a pod.
func SetDefaults_HTTPProbe(p *HTTPProbe) {
	if p.PeriodSeconds == 0 {
		p.PeriodSeconds = 10
	}
	if p.TimeoutSeconds == 0 {
		p.TimeoutSeconds = 1
	}
	if p.FailureThreshold == 0 {
		p.FailureThreshold = 3
	}
}
