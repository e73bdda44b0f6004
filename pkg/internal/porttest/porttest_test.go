// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package porttest_test

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"oaas.io/oaas/pkg/internal/porttest"
)

func TestAPortIsHeldUntilItIsReleased(t *testing.T) {
	address, release := porttest.Hold(t, "127.0.0.1:0")
	if _, err := new(net.Dialer).DialContext(t.Context(), "tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialing it: %v, want a refusal", err)
	}
	release()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatalf("after it was released: %v", err)
	}
	_ = listener.Close()
	again, _ := porttest.Hold(t, address)
	if again != address {
		t.Errorf("held is %s, want %s", again, address)
	}
	for range 2000 {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if listener.Addr().String() == again {
			t.Error("somebody else got the port")
		}
		_ = listener.Close()
	}
}
