// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"oaas.io/oaas/pkg/pki"
)

// This file is what somebody needs who runs a program of their own beside the
// cluster, as its user.

// Environment marks a process as the cluster's: Stop ends every process that was
// started with these variables.
func (c *Cluster) Environment() []string {
	return []string{environmentMarker + "=" + c.Dir()}
}

// IssueClientCert writes a client certificate that makes its holder the given
// user in the given groups, signed by the authority in CAPath.
func (c *Cluster) IssueClientCert(certPath, keyPath, user string, groups ...string) error {
	ca, err := pki.LoadAuthority(c.layout.cert(clusterCA), c.layout.key(clusterCA))
	if err != nil {
		return err
	}
	pair, err := ca.Issue(pki.Request{User: user, Groups: groups, Client: true}, c.clock.Now())
	if err != nil {
		return err
	}
	return pair.Write(certPath, keyPath)
}

// FreePort returns a TCP port of the host's that nobody listens on, from a range
// that outgoing connections do not use.
func FreePort(host string) (int, error) { return freePort(host) }

// LogTail returns the last lines of a program's log, for an error message.
func LogTail(path string) string { return tail(path, tailLines) }
