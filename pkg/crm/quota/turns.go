// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"context"
	"sync"
)

// turns lets one caller at a time do something about a name. The zero value is
// ready.
type turns struct {
	mu    sync.Mutex
	names map[string]*turn
}

type turn struct {
	// taken holds one value while it is somebody's turn.
	taken chan struct{}
	// waiting is the number of callers that are there, the one whose turn it is
	// included.
	waiting int
}

// enter waits for the caller's turn, which ends with leave.
func (t *turns) enter(ctx context.Context, name string) (leave func(), err error) {
	mine := t.join(name)
	select {
	case mine.taken <- struct{}{}:
		return func() {
			<-mine.taken
			t.part(name)
		}, nil
	case <-ctx.Done():
		t.part(name)
		return nil, context.Cause(ctx)
	}
}

func (t *turns) join(name string) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	mine := t.names[name]
	if mine == nil {
		mine = &turn{taken: make(chan struct{}, 1)}
		if t.names == nil {
			t.names = map[string]*turn{}
		}
		t.names[name] = mine
	}
	mine.waiting++
	return mine
}

func (t *turns) part(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.names[name].waiting--; t.names[name].waiting == 0 {
		delete(t.names, name)
	}
}
