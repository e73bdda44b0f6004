// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

func healthy(key, hash string) Record { return Record{Key: key, Hash: hash, Healthy: true} }

func TestNext(t *testing.T) {
	cases := map[string]struct {
		records  []Record
		previous *v1alpha1.TemplateRollout
		want     *v1alpha1.TemplateRollout
		status   metav1.ConditionStatus
		reason   string
		updated  int32
		says     string
	}{
		"a template that nobody uses is rolled out": {status: metav1.ConditionTrue, reason: ReasonComplete},
		"records that all have the revision are done": {
			records: []Record{healthy("a/1", "new"), healthy("a/2", "new")}, status: metav1.ConditionTrue, reason: ReasonComplete, updated: 2,
		},
		"a change begins with the first records by name": {
			records: []Record{healthy("a/3", "old"), healthy("a/1", "old"), healthy("a/2", "old")},
			want:    &v1alpha1.TemplateRollout{Hash: "new", Batch: []string{"a/1", "a/2"}},
			status:  metav1.ConditionFalse, reason: ReasonInProgress, says: "0 of 3",
		},
		"a record that took the revision and is not yet well holds its place": {
			records:  []Record{{Key: "a/1", Hash: "new"}, healthy("a/2", "new"), healthy("a/3", "old"), healthy("a/4", "old")},
			previous: &v1alpha1.TemplateRollout{Hash: "new", Batch: []string{"a/1", "a/2"}},
			want:     &v1alpha1.TemplateRollout{Hash: "new", Batch: []string{"a/1", "a/3"}},
			status:   metav1.ConditionFalse, reason: ReasonInProgress, updated: 2,
		},
		"a record that degraded stops it": {
			records:  []Record{{Key: "a/1", Hash: "new", Degraded: true}, healthy("a/2", "new"), healthy("a/3", "old")},
			previous: &v1alpha1.TemplateRollout{Hash: "new", Batch: []string{"a/1", "a/2"}},
			want:     &v1alpha1.TemplateRollout{Hash: "new", Failed: []string{"a/1"}},
			status:   metav1.ConditionFalse, reason: ReasonStopped, updated: 2, says: "a/1",
		},
		"a record that is on its way when another degrades goes on": {
			records:  []Record{{Key: "a/1", Hash: "new", Degraded: true}, healthy("a/2", "old"), healthy("a/3", "old")},
			previous: &v1alpha1.TemplateRollout{Hash: "new", Batch: []string{"a/1", "a/2"}},
			want:     &v1alpha1.TemplateRollout{Hash: "new", Failed: []string{"a/1"}, Batch: []string{"a/2"}},
			status:   metav1.ConditionFalse, reason: ReasonStopped, updated: 1,
		},
		"it goes on when the record has recovered": {
			records:  []Record{healthy("a/1", "new"), healthy("a/3", "old")},
			previous: &v1alpha1.TemplateRollout{Hash: "new", Failed: []string{"a/1"}},
			want:     &v1alpha1.TemplateRollout{Hash: "new", Batch: []string{"a/3"}},
			status:   metav1.ConditionFalse, reason: ReasonInProgress, updated: 1,
		},
		"a record that recovers is not trusted before it is well": {
			records:  []Record{{Key: "a/1", Hash: "new"}, healthy("a/3", "old")},
			previous: &v1alpha1.TemplateRollout{Hash: "new", Failed: []string{"a/1"}},
			want:     &v1alpha1.TemplateRollout{Hash: "new", Failed: []string{"a/1"}},
			status:   metav1.ConditionFalse, reason: ReasonStopped, updated: 1,
		},
		"a record that degraded is removed": {
			records:  []Record{healthy("a/3", "old")},
			previous: &v1alpha1.TemplateRollout{Hash: "new", Failed: []string{"a/1"}},
			want:     &v1alpha1.TemplateRollout{Hash: "new", Batch: []string{"a/3"}},
			status:   metav1.ConditionFalse, reason: ReasonInProgress,
		},
		"another change starts over": {
			records:  []Record{{Key: "a/1", Hash: "bad", Degraded: true}, healthy("a/2", "old")},
			previous: &v1alpha1.TemplateRollout{Hash: "bad", Failed: []string{"a/1"}},
			want:     &v1alpha1.TemplateRollout{Hash: "new", Batch: []string{"a/1", "a/2"}},
			status:   metav1.ConditionFalse, reason: ReasonInProgress,
		},
		"a record that fails with nobody left to protect ends it": {
			records:  []Record{{Key: "a/1", Hash: "new", Degraded: true}},
			previous: &v1alpha1.TemplateRollout{Hash: "new", Batch: []string{"a/1"}},
			status:   metav1.ConditionTrue, reason: ReasonComplete, updated: 1,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := Next("new", tc.records, tc.previous, 2)
			if diff := cmp.Diff(tc.want, got.Rollout); diff != "" {
				t.Errorf("rollout (-want +got):\n%s", diff)
			}
			if got.Status != tc.status || got.Reason != tc.reason || got.Updated != tc.updated {
				t.Errorf("%s/%s with %d updated, want %s/%s with %d", got.Status, got.Reason, got.Updated, tc.status, tc.reason, tc.updated)
			}
			if !strings.Contains(got.Message, tc.says) {
				t.Errorf("message %q does not say %q", got.Message, tc.says)
			}
		})
	}
}

func TestTakes(t *testing.T) {
	going := &v1alpha1.TemplateRollout{Hash: "new", Batch: []string{"a/1"}}
	stopped := &v1alpha1.TemplateRollout{Hash: "new", Failed: []string{"a/9"}, Batch: []string{"a/1"}}
	cases := map[string]struct {
		key, held string
		degraded  bool
		rollout   *v1alpha1.TemplateRollout
		want      bool
	}{
		"a new record takes the newest":                       {key: "a/2", want: true},
		"a record that has it keeps it":                       {key: "a/2", held: "new", want: true},
		"a record of the batch takes it":                      {key: "a/1", held: "old", rollout: going, want: true},
		"another waits":                                       {key: "a/2", held: "old", rollout: going},
		"a degraded one has nothing to lose":                  {key: "a/2", held: "old", degraded: true, rollout: going, want: true},
		"a degraded one does not take what degraded another":  {key: "a/2", held: "old", degraded: true, rollout: stopped},
		"one that was on its way goes on":                     {key: "a/1", held: "old", rollout: stopped, want: true},
		"nobody moves before it was decided":                  {key: "a/1", held: "old"},
		"nobody moves for what was decided about another one": {key: "a/1", held: "old", rollout: &v1alpha1.TemplateRollout{Hash: "other", Batch: []string{"a/1"}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Takes(tc.key, tc.held, "new", tc.degraded, tc.rollout); got != tc.want {
				t.Errorf("takes = %t, want %t", got, tc.want)
			}
		})
	}
}

// Every rollout ends, in steps that never have more than a batch on the way.
func TestRolloutsEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const batch = 3
		records := make([]Record, rapid.IntRange(0, 20).Draw(t, "records"))
		for i := range records {
			records[i] = healthy(fmt.Sprintf("a/%02d", i), "old")
		}
		var rollout *v1alpha1.TemplateRollout
		for range 4*len(records) + 1 {
			state := Next("new", records, rollout, batch)
			if rollout = state.Rollout; rollout == nil {
				break
			}
			if len(rollout.Batch) > batch {
				t.Fatalf("%d records on their way at once", len(rollout.Batch))
			}
			for i := range records {
				if Takes(records[i].Key, records[i].Hash, "new", false, rollout) {
					records[i].Healthy = records[i].Hash == "new" || rapid.Bool().Draw(t, "well at once")
					records[i].Hash = "new"
				}
			}
		}
		if rollout != nil {
			t.Fatalf("did not end: %+v", rollout)
		}
	})
}
