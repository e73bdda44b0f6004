// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/clock"

	"oaas.io/oaas/hack/localcluster/progress"
)

const (
	// DefaultName is the name of a cluster that was given none.
	DefaultName = "oaas"
	// DefaultNodes is the number of simulated nodes.
	DefaultNodes = 3
	// DefaultStartTimeout is enough for a machine that is busy with other work;
	// a quiet one needs a few seconds.
	DefaultStartTimeout = 2 * time.Minute

	defaultBindAddress = "127.0.0.1"
	// The API server refuses to advertise a loopback address. This one is
	// reserved for documentation (RFC 5737), so nothing else answers there.
	defaultAdvertiseAddress = "192.0.2.1"
)

// Options of Start. The zero value makes a throw-away cluster for a test.
type Options struct {
	// Name of the cluster, a DNS label. Default: DefaultName.
	Name string
	// Dir is the state folder: absent, empty, or left by an earlier Start, which
	// is then continued. Stop removes it. Default: DefaultDir(Name) when
	// Detached, else a new temporary folder.
	Dir string
	// Nodes is the number of simulated nodes, a negative number for none.
	// Default: as many as before; DefaultNodes in a new cluster.
	Nodes int
	// Detached programs outlive this process. Others are killed by the kernel
	// when this process ends, in whatever way (on Linux).
	Detached bool
	// Progress hears of builds and other steps. Default: silence.
	Progress progress.Reporter
	// StartTimeout bounds the time from the presence of all programs to ready
	// nodes. Default: DefaultStartTimeout.
	StartTimeout time.Duration
	// BindAddress is the IP address that the API server listens on. Default: as
	// before; 127.0.0.1 in a new cluster.
	BindAddress string
	// AdvertiseAddress is the IP address under which pods reach the API server.
	// Simulated pods never call. Default: as before; 192.0.2.1 in a new cluster.
	AdvertiseAddress string
	// APIServerArgs and ControllerManagerArgs are further flags; they come last
	// and so replace those that Start sets. They take effect when the program
	// starts. Default: as before; none in a new cluster.
	APIServerArgs, ControllerManagerArgs []string

	clock clock.PassiveClock
}

// complete fills in defaults and refuses what cannot work.
func (o Options) complete() (Options, error) {
	if o.Name == "" {
		o.Name = DefaultName
	}
	if faults := validation.IsDNS1123Label(o.Name); len(faults) > 0 {
		return o, fmt.Errorf("cluster name %q: %s", o.Name, strings.Join(faults, "; "))
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = DefaultStartTimeout
	}
	for field, address := range map[string]string{"BindAddress": o.BindAddress, "AdvertiseAddress": o.AdvertiseAddress} {
		if address != "" && net.ParseIP(address) == nil {
			return o, fmt.Errorf("%s %q is not an IP address", field, address)
		}
	}
	if net.ParseIP(o.AdvertiseAddress).IsLoopback() {
		return o, fmt.Errorf("AdvertiseAddress %s is a loopback address, which the API server refuses: leave it empty for %s",
			o.AdvertiseAddress, defaultAdvertiseAddress)
	}
	o.Progress = progress.OrDiscard(o.Progress)
	if o.clock == nil {
		o.clock = clock.RealClock{}
	}
	return o, nil
}

// completeDir may make a folder, so it comes after all that can fail.
func (o Options) completeDir() (Options, error) {
	var err error
	switch {
	case o.Dir != "":
		o.Dir, err = filepath.Abs(o.Dir)
	case o.Detached:
		o.Dir, err = DefaultDir(o.Name)
	default:
		o.Dir, err = os.MkdirTemp("", "oaas-cluster-")
	}
	if err != nil {
		return o, fmt.Errorf("choosing a state folder for cluster %s: %w", o.Name, err)
	}
	return o, nil
}

// DefaultBaseDir is the folder that holds the state folders of detached
// clusters: oaas/clusters in $XDG_STATE_HOME, else in os.UserCacheDir.
func DefaultBaseDir() (string, error) {
	base := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(base) {
		var err error
		if base, err = os.UserCacheDir(); err != nil {
			return "", errors.New("no folder for the state of clusters: set XDG_STATE_HOME or HOME")
		}
	}
	return filepath.Join(base, "oaas", "clusters"), nil
}

// DefaultDir is the state folder of a detached cluster in DefaultBaseDir.
func DefaultDir(name string) (string, error) {
	base, err := DefaultBaseDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(base, name), nil
}
