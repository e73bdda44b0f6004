// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package blueprint

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// partial remembers the records of which objects were left out because the cluster
// does not serve their kind. A program that starts renders every record, so that
// nothing has to be stored.
type partial struct {
	mu      sync.Mutex
	records map[types.NamespacedName]struct{}
}

func newPartial() *partial { return &partial{records: map[types.NamespacedName]struct{}{}} }

// note keeps or forgets a record.
func (p *partial) note(record types.NamespacedName, missing bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if missing {
		p.records[record] = struct{}{}
	} else {
		delete(p.records, record)
	}
}

// requests are those records. One that no longer exists is looked for in vain, once:
// it is forgotten here and noted again when it is rendered again.
func (p *partial) requests() []reconcile.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	requests := make([]reconcile.Request, 0, len(p.records))
	for record := range p.records {
		requests = append(requests, reconcile.Request{NamespacedName: record})
	}
	clear(p.records)
	return requests
}
