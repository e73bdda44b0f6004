// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm

import (
	"crypto/sha256"
	"encoding/base32"
	"hash/fnv"
	"regexp"
	"strings"
)

// Suffixes of the names of a grid's objects. None ends with another, so that two
// records never share a name.
const (
	suffixGrid     = "-odgm"
	suffixHeadless = "-odgm-nodes"
	suffixConfig   = "-odgm-config"
)

const (
	// maxName leaves room for what Kubernetes appends to a StatefulSet's name without
	// shortening it: 11 characters of a revision in a label of 63, and as many of an
	// ordinal in a host name.
	maxName = 52
	// hashLength is in characters of 5 bits.
	hashLength = 10
)

// plainName matches what a name of every kind of object can start with unchanged.
var plainName = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)

// notDNS matches what a DNS label cannot hold.
var notDNS = regexp.MustCompile(`[^a-z0-9]+`)

// objectName is the record's name with a suffix: a DNS-1035 label of at most 52
// characters. A name that is cut or changed carries a hash of the whole.
func objectName(record, suffix string) string {
	if len(record)+len(suffix) <= maxName && plainName.MatchString(record) {
		return record + suffix
	}
	clean := strings.Trim(notDNS.ReplaceAllString(strings.ToLower(record), "-"), "-")
	if clean == "" || clean[0] < 'a' || clean[0] > 'z' {
		clean = "d" + clean
	}
	const separator = 1
	if room := maxName - len(suffix) - hashLength - separator; len(clean) > room {
		clean = strings.TrimRight(clean[:room], "-")
	}
	return clean + "-" + shortHash(record) + suffix
}

func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:hashLength])
}

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
