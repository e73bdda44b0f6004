// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package availability

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

func TestAvailability(t *testing.T) {
	type step struct {
		nodes, ready int
		lasts        time.Duration
	}
	cases := map[string]struct {
		steps []step
		want  string
	}{
		"nothing seen is unknown":           {},
		"a moment is too short to tell":     {steps: []step{{3, 3, time.Second}}},
		"always ready is one":               {steps: []step{{3, 3, time.Minute}}, want: "1.00000"},
		"no node is unknown":                {steps: []step{{0, 0, time.Hour}}},
		"a third down for half of the time": {steps: []step{{3, 3, time.Minute}, {3, 2, time.Minute}}, want: "0.83333"},
		"what is older than a day is forgotten": {
			steps: []step{{1, 0, 2 * time.Hour}, {1, 1, 12 * time.Hour}, {1, 1, 13 * time.Hour}}, want: "1.00000",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			clock := clocktesting.NewFakePassiveClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
			tracker := New(clock)
			for _, s := range tc.steps {
				tracker.Observe(s.nodes, s.ready)
				for left := s.lasts; left > 0; left -= min(left, time.Minute) {
					clock.SetTime(clock.Now().Add(min(left, time.Minute)))
					tracker.Observe(s.nodes, s.ready)
				}
			}
			if got := tracker.Availability(); got != tc.want {
				t.Errorf("availability = %q, want %q", got, tc.want)
			}
		})
	}
}
