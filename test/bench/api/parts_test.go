// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"testing"
)

func TestPartsAreChosenByName(t *testing.T) {
	for name, test := range map[string]struct {
		value   string
		want    string
		atScale bool
		fails   bool
	}{
		"one part":                             {value: "requests", want: "requests"},
		"two, in the order of the measurement": {value: "lists,requests", want: "requests,lists", atScale: true},
		"one twice":                            {value: "memory,memory", want: "memory", atScale: true},
		"an unknown one":                       {value: "requests,speed", fails: true},
		"none":                                 {value: "", fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := everyPart()
			if err := p.Set(test.value); (err != nil) != test.fails {
				t.Fatalf("got error %v", err)
			}
			if test.fails {
				return
			}
			if got := p.String(); got != test.want || p.atScale() != test.atScale {
				t.Errorf("got %q, at scale %t", got, p.atScale())
			}
		})
	}
}

func TestObjectsAreWellFormed(t *testing.T) {
	for name, object := range map[string][]byte{
		"a package":                   packageJSON(peerGroup, "a"),
		"one of the sample apiserver": flunderJSON("a", 100),
	} {
		if !json.Valid(object) {
			t.Errorf("%s is no JSON: %s", name, object)
		}
	}
	if grown := len(flunderJSON("a", 100)) - len(flunderJSON("a", 0)); grown != 100 {
		t.Errorf("padding of 100 bytes adds %d", grown)
	}
}
