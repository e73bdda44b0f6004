// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package children

import (
	"bytes"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/utils/clock"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// forgetAfter is how long an answer stands in for what the watch has not told yet.
// An object that came and went between two events of the watch must not be thought
// to exist for longer.
const forgetAfter = 10 * time.Second

// answer is what an apply brought.
type answer struct {
	object *Object
	at     time.Time
}

// settled is the outcome of an apply: with this intent, these are the fields that
// the API server lets the reconciler own. Usually all; a definition may prune some,
// and applying them again would not change that.
type settled struct {
	hash    string
	applied []byte
}

// written remembers the answers to writes until the watch has caught up.
type written struct {
	clock clock.PassiveClock

	mu      sync.Mutex
	answers map[Key]answer
	settled map[types.UID]settled
}

func newWritten(clock clock.PassiveClock) *written {
	return &written{clock: clock, answers: map[Key]answer{}, settled: map[types.UID]settled{}}
}

func (w *written) put(object *Object, hash string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[object.Key()] = answer{object: object, at: w.clock.Now()}
	w.settled[object.UID] = settled{hash: hash, applied: object.applied}
	object.proven.Store(&hash)
}

// newest returns what is newer, an answer or what the watch told, which is nil for
// nothing.
func (w *written) newest(key Key, told *Object) *Object {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a, ok := w.answers[key]; ok {
		if w.clock.Since(a.at) < forgetAfter && newer(a.object, told) {
			return a.object
		}
		delete(w.answers, key)
	}
	if told != nil && told.proven.Load() == nil {
		if s, ok := w.settled[told.UID]; ok && bytes.Equal(s.applied, told.applied) {
			told.proven.Store(&s.hash)
		}
	}
	return told
}

// newer tells whether an answer is newer than what the watch told. Versions of a
// resource can be compared whatever objects they are of.
func newer(own, told *Object) bool {
	if told == nil {
		return true
	}
	order, err := resourceversion.CompareResourceVersion(own.ResourceVersion, told.ResourceVersion)
	return err == nil && order > 0
}

// drop forgets an object that is gone.
func (w *written) drop(object *Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.settled, object.UID)
	if a, ok := w.answers[object.Key()]; ok && a.object.UID == object.UID {
		delete(w.answers, object.Key())
	}
}

func hashOf(intent metav1.Object) string {
	return intent.GetAnnotations()[v1alpha1.AnnotationSpecHash]
}
