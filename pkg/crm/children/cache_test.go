// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package children

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

// slowMapper is an API server that does not answer questions about kinds.
type slowMapper struct {
	meta.RESTMapper
	asked  chan struct{}
	answer chan struct{}
}

func (m *slowMapper) RESTMapping(kind schema.GroupKind, _ ...string) (*meta.RESTMapping, error) {
	close(m.asked)
	<-m.answer
	return nil, &meta.NoKindMatchError{GroupKind: kind}
}

func newTestCache(t *testing.T, mapper meta.RESTMapper) *Cache {
	t.Helper()
	c, err := New(Options{Config: &rest.Config{Host: "127.0.0.1:1"}, Mapper: mapper, Clock: clock.RealClock{}, Log: logr.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	c.life = func() context.Context { return t.Context() }
	return c
}

func TestAQuestionAboutAKindKeepsNobodyElseWaiting(t *testing.T) {
	mapper := &slowMapper{asked: make(chan struct{}), answer: make(chan struct{})}
	c := newTestCache(t, mapper)
	needed := make(chan error)
	go func() {
		needed <- c.Need(t.Context(), types.NamespacedName{Name: "a"}, appsv1.SchemeGroupVersion.WithKind("Rollout"))
	}()
	<-mapper.asked
	looked := make(chan struct{})
	go func() {
		c.Get(appsv1.SchemeGroupVersion.WithKind("Deployment"), types.NamespacedName{Name: "b"})
		close(looked)
	}()
	select {
	case <-looked:
	case <-time.After(time.Minute):
		t.Error("who looks at another kind waits for the API server too")
	}
	// The next question is told too.
	mapper.asked = make(chan struct{}, 1)
	close(mapper.answer)
	if _, ok := errors.AsType[*NotServedError](<-needed); !ok {
		t.Error("the kind is served")
	}
}

func TestRecordsThatAreGoneWaitForNothing(t *testing.T) {
	c := newTestCache(t, meta.NewDefaultRESTMapper(nil))
	for _, name := range []string{"a", "b"} {
		if err := c.Need(t.Context(), types.NamespacedName{Name: name}, schema.GroupVersionKind{Group: "keda.sh", Version: "v1alpha1", Kind: "ScaledObject"}); err == nil {
			t.Fatal("the kind is served")
		}
	}
	for _, name := range []string{"a", "b"} {
		c.Forget(types.NamespacedName{Name: name})
	}
	if len(c.missed) > 0 {
		t.Errorf("%v are remembered", c.missed)
	}
}

func TestAKindThatCannotBeReadKeepsNobodyWaiting(t *testing.T) {
	kind := schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: "Widget"}
	for sentence, failure := range map[string]error{
		"a permission is missing":        apierrors.NewForbidden(schema.GroupResource{}, "", nil),
		"the converting webhook is away": apierrors.NewInternalError(errors.New("conversion webhook failed")),
	} {
		t.Run(sentence, func(t *testing.T) {
			c := newTestCache(t, meta.NewDefaultRESTMapper(nil))
			w, err := c.newWatchedKind(kind, kind.GroupVersion().WithResource("widgets"))
			if err != nil {
				t.Fatal(err)
			}
			w.lastErr, c.watched[kind] = failure, w
			start := time.Now()
			err = c.Need(t.Context(), types.NamespacedName{Name: "a"}, kind)
			if took := time.Since(start); !errors.Is(err, failure) || took > syncTimeout/3 {
				t.Errorf("after %v: %v, want the failure at once", took, err)
			}
		})
	}
}
