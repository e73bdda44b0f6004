// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package parts

import (
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/registry/pm/computed"
)

const (
	// positionParts is the number of parts of a position in a token.
	positionParts = 3
	// lastKey is behind every key: keys are ASCII.
	lastKey = "\x7f"
)

// position is a place in a list of parts.
type position struct {
	namespace, name, key string
}

func (p position) parts() []string { return []string{p.namespace, p.name, p.key} }

// validate refuses positions that no list in the namespace has.
func (p position) validate(namespace string) error {
	if len(validation.IsDNS1123Label(p.namespace)) > 0 || len(validation.IsDNS1123Label(p.name)) > 0 || p.key == "" {
		return apierrors.NewBadRequest("the continue token is not valid, it names no package: start the list again without it")
	}
	if namespace != "" && p.namespace != namespace {
		return apierrors.NewBadRequest("the continue token is not valid, it is of another namespace: start the list again without it")
	}
	return nil
}

// pageWriter collects a page from packages in the order of the list.
type pageWriter[T computed.Object, D any] struct {
	computed.Page[T]
	kind  *Kind[T, D]
	query computed.Query
	// after is the position that the page begins after.
	after position
	// full is true once there is a next page.
	full bool
}

// complete is true when no more fits on the page.
func (w *pageWriter[T, D]) complete() bool {
	return w.query.Limit > 0 && int64(len(w.Items)) >= w.query.Limit
}

// add puts the parts of a package on the page, as far as they fit.
func (w *pageWriter[T, D]) add(p *pm.Package) error {
	if len(w.kind.Definitions(p)) == 0 {
		return nil
	}
	write, err := writeOf(p)
	if err != nil {
		return err
	}
	version := computed.FormatRevision(join(write, whole))
	maker := w.kind.of(p)
	begun := p.Namespace == w.after.namespace && p.Name == w.after.name
	for _, definition := range w.kind.sorted(p) {
		if begun && strings.Compare(w.kind.Key(definition), w.after.key) <= 0 {
			continue
		}
		if w.complete() {
			w.continueAfter(w.after)
			return nil
		}
		part := maker.make(definition, version)
		matches, err := w.query.Matches(part)
		if err != nil {
			return err
		}
		if matches {
			w.Items = append(w.Items, part)
			w.after = position{p.Namespace, p.Name, w.kind.Key(definition)}
		}
	}
	return nil
}

// continueAfter ends the page: the next one begins after a position.
func (w *pageWriter[T, D]) continueAfter(after position) {
	w.full = true
	w.Continue = computed.Token{Revision: int64(w.Revision), After: after.parts()}.Encode()
}
