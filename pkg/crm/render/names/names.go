// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package names makes Kubernetes names and label values from keys that may be
// any text. Results are valid and stable, and different inputs give different
// results: whatever is cut or replaced is made up for by a hash of the whole.
package names

import (
	"crypto/sha256"
	"encoding/base32"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	// maxWorkload leaves 11 of a label's 63 characters for what Kubernetes appends
	// to a workload's name, such as the revision hash of a StatefulSet, which it
	// does not shorten.
	maxWorkload = 52
	// hashLength is in characters of 5 bits: 50 bits make a clash among a million
	// names less likely than 1 in 2,000.
	hashLength = 10
	// maxID and maxKey share what the hash and two hyphens leave.
	maxID  = 20
	maxKey = maxWorkload - maxID - hashLength - 2
)

// marker stands between what is left of a text and the hash of the whole where other
// texts stay as they are. A text that looks as if it had been cut is hashed, too, so
// that nobody can choose one that equals what another becomes.
const marker = "--"

// looksCut matches what ends in a marker and a hash.
var looksCut = regexp.MustCompile(marker + `[a-z2-7]{10}$`)

// notDNS matches what a DNS-1123 label cannot hold.
var notDNS = regexp.MustCompile(`[^a-z0-9]+`)

// notLabel matches what a label value cannot hold.
var notLabel = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// Workload names the workload of a function and what belongs to it, such as its
// Service: a DNS-1035 label, which is a DNS-1123 label that starts with a letter,
// of at most 52 characters.
func Workload(deploymentID, functionKey string) string {
	id := cut(notDNS.ReplaceAllString(strings.ToLower(deploymentID), "-"), maxID)
	key := cut(notDNS.ReplaceAllString(strings.ToLower(functionKey), "-"), maxKey)
	parts := make([]string, 0, 3)
	for _, part := range []string{id, key} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	// The separator cannot occur in an id, so that ("a", "b-c") and ("a-b", "c")
	// differ.
	name := strings.Join(append(parts, Hash(deploymentID+"\x00"+functionKey)), "-")
	if name[0] < 'a' || name[0] > 'z' {
		// A Service's name starts with a letter. The id gives way, so that the
		// length holds.
		name = "d" + name
		if len(name) > maxWorkload {
			name = strings.Join([]string{"d" + cut(id, maxID-1), key, Hash(deploymentID + "\x00" + functionKey)}, "-")
		}
	}
	return name
}

// LabelValue is the text itself when it is a valid label value, else as much of
// it as fits and a hash of the whole. Empty text stays empty.
func LabelValue(text string) string {
	if len(validation.IsValidLabelValue(text)) == 0 && !looksCut.MatchString(text) {
		return text
	}
	clean := strings.Trim(notLabel.ReplaceAllString(text, "-"), "-_.")
	const room = validation.LabelValueMaxLength - hashLength - len(marker)
	if len(clean) > room {
		clean = strings.TrimRight(clean[:room], "-_.")
	}
	if clean == "" {
		// A value starts with a letter or a digit.
		clean = "0"
	}
	return clean + marker + Hash(text)
}

func cut(text string, length int) string {
	text = strings.Trim(text, "-")
	if len(text) > length {
		text = strings.TrimRight(text[:length], "-")
	}
	return text
}

// Hash is what stands for a text in a name that does not hold all of it.
func Hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:hashLength])
}
