// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymentrecords

import (
	"math"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func TestRevisionsOnlyGrowWhateverTheClockDoes(t *testing.T) {
	clock := clocktesting.NewFakeClock(start)
	r := newRevisions(clock, 7)
	last := uint64(0)
	for sentence, move := range map[string]time.Duration{
		"it stands": 0, "it goes on": time.Second, "it is set back by an hour": -time.Hour, "it moves by less than it counts": 10 * time.Nanosecond,
	} {
		for range 3 {
			clock.SetTime(clock.Now().Add(move))
			next := r.next()
			if next <= last {
				t.Errorf("when %s, %d follows %d", sentence, next, last)
			}
			if next%step != 7 {
				t.Errorf("%d does not tell replica 7", next)
			}
			last = next
		}
	}
}

func TestARevisionTellsTheTime(t *testing.T) {
	r := newRevisions(clocktesting.NewFakeClock(start), 1023)
	if got := time.UnixMicro(int64(r.next() >> replicaBits)).UTC(); !got.Equal(start) {
		t.Errorf("the revision is of %s, want %s", got, start)
	}
	far := newRevisions(clocktesting.NewFakeClock(time.Date(2255, 1, 1, 0, 0, 0, 0, time.UTC)), 1023)
	if got := far.next(); got > math.MaxInt64 {
		t.Errorf("%d does not fit a signed number in 2255", got)
	}
	early := newRevisions(clocktesting.NewFakeClock(time.Time{}), 1)
	if first, second := early.next(), early.next(); first == 0 || second <= first {
		t.Errorf("a clock that was never set gives %d, then %d", first, second)
	}
}

func TestARevisionCountsWhereItWasGivenOut(t *testing.T) {
	clock := clocktesting.NewFakeClock(start)
	r := newRevisions(clock, 1)
	// One that drew the same bits, and whose clock differs by a microsecond.
	other := newRevisions(clocktesting.NewFakeClock(start.Add(time.Microsecond)), 1)
	mine, theirs := r.next(), other.next()
	clock.Step(time.Second)
	r.next()
	if !r.knows(mine) {
		t.Error("a revision that was given out is not known")
	}
	for sentence, revision := range map[string]uint64{
		"another replica's": theirs, "0": 0, "the one between": mine + 1, "the greatest": math.MaxUint64,
	} {
		if r.knows(revision) {
			t.Errorf("%s is known", sentence)
		}
	}
}

func TestOldRevisionsAreForgotten(t *testing.T) {
	r := newRevisions(clocktesting.NewFakeClock(start), 1)
	first := r.next()
	for range 2 * remembered {
		r.next()
	}
	if r.knows(first) || !r.knows(r.last) || len(r.given) > remembered {
		t.Errorf("%d revisions are remembered, the first of them %t, the last %t", len(r.given), r.knows(first), r.knows(r.last))
	}
}

func TestOnlyWhatAReplicaMayHaveGivenOutIsReached(t *testing.T) {
	clock := clocktesting.NewFakeClock(start)
	r, other := newRevisions(clock, 1), newRevisions(clock, 2)
	r.next()
	for sentence, test := range map[string]struct {
		revision uint64
		want     bool
	}{
		"now":                            {other.at(start), true},
		"a clock a little ahead":         {other.at(start.Add(time.Second)), true},
		"an hour ahead":                  {other.at(start.Add(time.Hour)), false},
		"a number that somebody typed":   {math.MaxUint64, false},
		"long ago":                       {1, true},
		"given out here, whatever it is": {r.last, true},
	} {
		if got := r.plausible(test.revision); got != test.want {
			t.Errorf("%s: plausible is %t, want %t", sentence, got, test.want)
		}
	}
	ahead := other.at(start.Add(time.Second))
	if next := r.nextAfter(ahead); next <= ahead || !r.knows(next) {
		t.Errorf("%d is reached by %d, known %t", ahead, next, r.knows(next))
	}
}
