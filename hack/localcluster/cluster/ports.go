// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

const (
	// Ports are taken from below the range that common systems give to outgoing
	// connections (32768 on Linux, 49152 elsewhere), so that no connection takes
	// one between the look and the start of the program.
	firstPort, lastPort = 20000, 32000
	portAttempts        = 100
)

// freePort returns a port that nobody listens on at the moment. It is chosen at
// random, because clusters that start at once must not go for the same one.
func freePort(host string) (int, error) {
	for range portAttempts {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if portFree(host, port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free TCP port on %s: %d ports between %d and %d were tried", host, portAttempts, firstPort, lastPort)
}

func portFree(host string, port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port))) //nolint:noctx // returns at once
	if err != nil {
		return false
	}
	return l.Close() == nil
}
