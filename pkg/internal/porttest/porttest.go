// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package porttest gives tests addresses that refuse connections, and nothing else.
package porttest

import (
	"net"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// Refusing is an address that refuses connections until the test ends. A port that was
// closed does so only until somebody else gets it, such as another test's server.
func Refusing(tb testing.TB) string {
	tb.Helper()
	address, _ := Hold(tb, "127.0.0.1:0")
	return address
}

// Hold takes a port of an IPv4 address and does not listen on it, until release is
// called or the test ends. Port 0 stands for any.
func Hold(tb testing.TB, address string) (held string, release func()) {
	tb.Helper()
	asked, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		tb.Fatal(err)
	}
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		tb.Fatal(err)
	}
	release = sync.OnceFunc(func() { _ = syscall.Close(socket) })
	tb.Cleanup(release)
	syscall.CloseOnExec(socket)
	to := &syscall.SockaddrInet4{Port: asked.Port}
	copy(to.Addr[:], asked.IP.To4())
	// Connections that ended a moment ago do not stand in the way.
	if err := syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		tb.Fatal(err)
	}
	if err := syscall.Bind(socket, to); err != nil {
		tb.Fatalf("hold %s: %v", address, err)
	}
	bound, err := syscall.Getsockname(socket)
	if err != nil {
		tb.Fatal(err)
	}
	port := bound.(*syscall.SockaddrInet4).Port
	return net.JoinHostPort(asked.IP.String(), strconv.Itoa(port)), release
}
