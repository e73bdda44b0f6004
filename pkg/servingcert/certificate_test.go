// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package servingcert

import (
	"errors"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

func newIssuer(t *testing.T, clock *clocktesting.FakeClock) (*Certificate, authority) {
	t.Helper()
	c := New(Config{Hosts: []string{"server.example"}, Clock: clock})
	by, err := newAuthority("server", clock.Now(), c.lives)
	if err != nil {
		t.Fatal(err)
	}
	return c, by
}

func TestWhoHearsOfACertificateMayReadIt(t *testing.T) {
	c, by := newIssuer(t, clocktesting.NewFakeClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
	read := make(chan []byte, 1)
	c.OnChange(func() {
		cert, _ := c.CurrentCertKeyContent()
		read <- cert
	})
	issued := make(chan error, 1)
	go func() { issued <- c.issue(t.Context(), by) }()
	select {
	case err := <-issued:
		if cert := <-read; err != nil || len(cert) == 0 {
			t.Errorf("the listener read %d bytes (%v)", len(cert), err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the listener waits for whoever told it")
	}
}

func TestACertificateThatEndedIsTold(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	c, by := newIssuer(t, clock)
	if err := errors.Join(c.issue(t.Context(), by), c.Check(nil)); err != nil {
		t.Fatal(err)
	}
	clock.Step(c.lives.Certificate + time.Hour)
	if err := c.Check(nil); err == nil || !strings.Contains(err.Error(), "ended at") || strings.Contains(err.Error(), "%!") {
		t.Errorf("err = %v, want when the certificate ended", err)
	}
}
