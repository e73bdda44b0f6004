// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"oaas.io/oaas/pkg/apis/pm"
)

// ReservationsAnnotation holds the reservations on a package, by the id of the
// write.
//
// It is apart from status.dependents because several writes of one dependent may
// be under way at the same time, each of which must find its own reservation again
// and leave the others alone.
const ReservationsAnnotation = pm.PackageReservationsAnnotation

const (
	// requestWithin bounds one write of a package. It is what Kubernetes allows a
	// request.
	requestWithin = time.Minute
	// reservedFor is how long a reservation counts that nobody followed up. It
	// exceeds requestWithin by what the clocks of two replicas may differ.
	reservedFor = 2 * time.Minute
)

// reservation is what a write under way is about to need.
type reservation struct {
	// Package is the name of the dependent.
	Package string `json:"package"`
	// Version is the range that it is about to accept.
	Version string `json:"version,omitempty"`
	// Functions are the keys that it is about to bind.
	Functions []string `json:"functions,omitempty"`
	// Since is when the write announced itself, in seconds since 1970.
	Since int64 `json:"since"`
}

func (r reservation) need() need { return need{versions: r.Version, functions: r.Functions} }

// counts is false for a reservation whose write has certainly ended.
func (r reservation) counts(now time.Time) bool {
	return now.Before(time.Unix(r.Since, 0).Add(reservedFor))
}

// reservationsOf reads the reservations on a package, by the id of the write. What
// cannot be read was not written by this server.
func reservationsOf(p *pm.Package) map[string]reservation {
	text := p.Annotations[ReservationsAnnotation]
	if text == "" {
		return nil
	}
	var reserved map[string]reservation
	if err := json.Unmarshal([]byte(text), &reserved); err != nil {
		return nil
	}
	return reserved
}

// setReservations changes the package.
func setReservations(p *pm.Package, reserved map[string]reservation) error {
	if len(reserved) == 0 {
		delete(p.Annotations, ReservationsAnnotation)
		if len(p.Annotations) == 0 {
			p.Annotations = nil
		}
		return nil
	}
	text, err := json.Marshal(reserved)
	if err != nil {
		return fmt.Errorf("encode the reservations on package %q: %w", p.Name, err)
	}
	if p.Annotations == nil {
		p.Annotations = map[string]string{}
	}
	p.Annotations[ReservationsAnnotation] = string(text)
	return nil
}

// announced are all that is known of what other packages need of a package, or may
// soon: those that are listed, and those that reserved.
type announced map[string][]claim

// claim is one thing that is known of what a package needs.
type claim struct {
	need
	// pending is true for a write that may still be under way.
	pending bool
}

func announcedOn(p *pm.Package, now time.Time) announced {
	all := announced{}
	for _, entry := range p.Status.Dependents {
		all[entry.Name] = append(all[entry.Name], claim{need: needOf(entry)})
	}
	for _, reserved := range reservationsOf(p) {
		all[reserved.Package] = append(all[reserved.Package], claim{need: reserved.need(), pending: reserved.counts(now)})
	}
	return all
}

// names are the names of the dependents, in order.
func (a announced) names() []string { return slices.Sorted(maps.Keys(a)) }

// pending is true when a write of the dependent may be under way.
func (a announced) pending(name string) bool {
	return slices.ContainsFunc(a[name], func(c claim) bool { return c.pending })
}

// keepOwn puts back what only the server writes: who depends on the package, and
// who is about to.
func keepOwn(updated, stored *pm.Package) {
	updated.Status.Dependents = stored.Status.Dependents
	text, found := stored.Annotations[ReservationsAnnotation]
	switch {
	case !found:
		delete(updated.Annotations, ReservationsAnnotation)
	case updated.Annotations == nil:
		updated.Annotations = map[string]string{ReservationsAnnotation: text}
	default:
		updated.Annotations[ReservationsAnnotation] = text
	}
}
