// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	"oaas.io/oaas/test/bench/scale"
)

// The parts beside those of package scale.
const (
	requestsPart    scale.Part = "requests"
	deploymentsPart scale.Part = "deployments"
	overviewPart    scale.Part = "overview"
)

// parts are what is measured; it is the value of a flag.
type parts map[scale.Part]bool

func partNames() []scale.Part {
	return append([]scale.Part{requestsPart, deploymentsPart, overviewPart}, scale.Parts()...)
}

func everyPart() parts {
	all := parts{}
	for _, part := range partNames() {
		all[part] = true
	}
	return all
}

// String implements flag.Value.
func (p *parts) String() string {
	var names []string
	for _, part := range partNames() {
		if (*p)[part] {
			names = append(names, string(part))
		}
	}
	return strings.Join(names, ",")
}

// Set implements flag.Value.
func (p *parts) Set(value string) error {
	chosen := parts{}
	for name := range strings.SplitSeq(value, ",") {
		part := scale.Part(name)
		if !slices.Contains(partNames(), part) {
			all := everyPart()
			return fmt.Errorf("%q is no part: choose from %s", name, all.String())
		}
		chosen[part] = true
	}
	*p = chosen
	return nil
}

// atScale says whether a part is wanted that needs many objects.
func (p *parts) atScale() bool {
	return slices.ContainsFunc(scale.Parts(), func(part scale.Part) bool { return (*p)[part] })
}
