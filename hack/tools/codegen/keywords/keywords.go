// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package keywords keeps generated variable names from being Go keywords.
//
// The client generators name a parameter after the kind of the object that it
// holds. For the kind Package that is the keyword "package", and what they
// write does not parse.
package keywords

import (
	"go/token"

	"k8s.io/gengo/v2/namer"
	"k8s.io/gengo/v2/types"
)

// Avoid returns the name systems with the "private" one, from which parameters
// take their names, changed to avoid keywords.
func Avoid(systems namer.NameSystems) namer.NameSystems {
	systems["private"] = avoiding{systems["private"]}
	return systems
}

// avoiding is a namer that replaces a name that is a keyword: the one that the
// API has by its usual abbreviation, any other by itself with an underscore.
type avoiding struct {
	namer.Namer
}

// Name implements namer.Namer.
func (a avoiding) Name(t *types.Type) string {
	name := a.Namer.Name(t)
	if !token.IsKeyword(name) {
		return name
	}
	if name == "package" {
		return "pkg"
	}
	return name + "_"
}
