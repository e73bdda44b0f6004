// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package crm_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"oaas.io/oaas/hack/localcluster/binaries"
	"oaas.io/oaas/pkg/crm/config"
)

// startPrometheus runs a Prometheus that measures nothing until the test, or the
// function that is returned, ends it.
func startPrometheus(t *testing.T, address string) (stop func()) {
	t.Helper()
	set, err := binaries.Ensure(t.Context(), binaries.Options{}, binaries.Prometheus)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	configuration := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(configuration, []byte("global: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), set.Path(binaries.Prometheus),
		"--config.file="+configuration, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=error")
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	}
	t.Cleanup(stop)
	eventually(t, "Prometheus is ready", func(ctx context.Context) error { return get(ctx, "http://"+address+"/-/ready") })
	return stop
}

// isUp wants a value of the gauge that tells whether Prometheus answers.
func (p *program) isUp(t *testing.T, value string) {
	t.Helper()
	eventually(t, "crm_prometheus_up is "+value, func(ctx context.Context) error {
		body, err := fetch(ctx, "http://"+p.settings.MetricsAddress+"/metrics")
		if err == nil && !strings.Contains(body, "\ncrm_prometheus_up "+value+"\n") {
			err = errors.New("it is not")
		}
		return err
	})
}

func TestReadinessFollowsAPrometheusThatIsNeeded(t *testing.T) {
	address := freeAddress(t)
	stop := startPrometheus(t, address)
	p := startProgram(t, func(s *config.Config) {
		s.Profile, s.Features.Prometheus, s.Prometheus.URL = config.ProfileFull, true, "http://user:hidden@"+address
	})
	ready := "http://" + p.settings.HealthAddress + "/readyz"
	p.isUp(t, "1")

	stop()
	eventually(t, "the program is not ready any more", func(ctx context.Context) error {
		if get(ctx, ready) == nil {
			return errors.New("it is ready")
		}
		return nil
	})
	said := get(t.Context(), ready+"/prometheus")
	if said == nil || !strings.Contains(said.Error(), "PROM_URL http://"+address+" does not answer") || !strings.Contains(said.Error(), "connection refused") {
		t.Errorf("the check says %v, want the URL and the cause", said)
	}
	if said != nil && strings.Contains(said.Error(), "hidden") {
		t.Errorf("the check shows a password: %v", said)
	}
	p.isUp(t, "0")
	if err := get(t.Context(), "http://"+p.settings.HealthAddress+"/healthz"); err != nil {
		t.Errorf("a restart would not bring Prometheus back, and the program asks for one: %v", err)
	}

	startPrometheus(t, address)
	eventually(t, "the program is ready again", func(ctx context.Context) error { return get(ctx, ready) })
	p.isUp(t, "1")
}

func TestTheProgramIsReadyWithoutAPrometheusThatIsOptional(t *testing.T) {
	address := freeAddress(t)
	p := startProgram(t, func(s *config.Config) {
		s.Features.Prometheus, s.Prometheus.URL = true, "http://"+address
	})
	p.isUp(t, "0")
	if err := get(t.Context(), "http://"+p.settings.HealthAddress+"/readyz"); err != nil {
		t.Errorf("not ready: %v", err)
	}
	startPrometheus(t, address)
	p.isUp(t, "1")
}
