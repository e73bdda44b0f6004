// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"errors"

	"github.com/spf13/pflag"
)

// ControllerOptions say which controllers run in the server and how replicas of
// the server share the work.
type ControllerOptions struct {
	// Enabled runs the controllers. Defaults to true.
	Enabled bool
	// LeaderElect lets one replica at a time run them. Defaults to true.
	LeaderElect bool
	// LeaseNamespace is the namespace of the host cluster that holds the lease.
	// Defaults to oaas-system.
	LeaseNamespace string
}

// NewControllerOptions returns the defaults.
func NewControllerOptions() *ControllerOptions {
	return &ControllerOptions{Enabled: true, LeaderElect: true, LeaseNamespace: "oaas-system"}
}

// AddFlags adds the flags to a flag set.
func (o *ControllerOptions) AddFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.Enabled, "controllers", o.Enabled,
		"Run the controllers that deploy classes and watch clusters. Without them the server stores objects and shows the live records of clusters.")
	fs.BoolVar(&o.LeaderElect, "leader-elect", o.LeaderElect,
		"Let one replica at a time run the controllers, by a lease in the host cluster. Only a single replica may do without.")
	fs.StringVar(&o.LeaseNamespace, "leader-elect-namespace", o.LeaseNamespace,
		"Namespace of the host cluster that holds the lease.")
}

// Validate returns everything that is wrong with the options.
func (o *ControllerOptions) Validate() []error {
	if o.Enabled && o.LeaderElect && o.LeaseNamespace == "" {
		return []error{errors.New("--leader-elect needs --leader-elect-namespace, such as oaas-system")}
	}
	return nil
}
