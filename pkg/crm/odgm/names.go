// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm

import (
	"hash/fnv"
)

// Suffixes of the names of a grid's objects. None ends with another, so that two
// records never share a name.
const (
	suffixGrid     = "-odgm"
	suffixHeadless = "-odgm-nodes"
	suffixConfig   = "-odgm-config"
)

// slots gives each key a number below size that depends on the key alone, so that
// it stays when other keys come and go. Two keys with one number are told apart by
// going on to the next free one, in the order given; keys must be sorted for that
// to be the same each time.
func slots(keys []string, size uint32) map[string]uint32 {
	taken := make(map[uint32]bool, len(keys))
	numbers := make(map[string]uint32, len(keys))
	for _, key := range keys {
		h := fnv.New32a()
		h.Write([]byte(key))
		number := h.Sum32() % size
		for taken[number] {
			number = (number + 1) % size
		}
		taken[number] = true
		numbers[key] = number
	}
	return numbers
}
