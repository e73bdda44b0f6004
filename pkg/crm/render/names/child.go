// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package names

import (
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// MaxRecord is the greatest length of what Record returns; it leaves 23 of a
// label's 63 characters for suffixes.
const MaxRecord = 40

// maxSuffix leaves room for a letter of the name and the hash.
const maxSuffix = validation.DNS1035LabelMaxLength - hashLength - len(marker) - 1

// suffixPattern is what a name can end in.
var suffixPattern = regexp.MustCompile(`^[-a-z0-9]*[a-z0-9]$`)

// Record names what belongs to a record as a whole: a DNS-1035 label of at most
// MaxRecord characters, to which suffixes can be added.
func Record(deploymentID string) string {
	return label(deploymentID, MaxRecord-hashLength-1) + "-" + Hash(deploymentID)
}

// Child is the name with a suffix: a DNS-1035 label of at most 63 characters. A name
// that is too long, or no label, is cut and made up for by a hash of the whole. It
// fails for a suffix that a name cannot end in.
func Child(name, suffix string) (string, error) {
	if len(suffix) > maxSuffix || !suffixPattern.MatchString(suffix) {
		return "", fmt.Errorf("suffix %q: use lower case letters, digits and hyphens, at most %d, and no hyphen at the end", suffix, maxSuffix)
	}
	return child(name, suffix, validation.DNS1035LabelMaxLength), nil
}

// Grid names an object of the data grid of a record, like Child, in at most 52
// characters: Kubernetes appends to the name of a StatefulSet without shortening it.
func Grid(record, suffix string) string { return child(record, suffix, maxWorkload) }

func child(name, suffix string, length int) string {
	plain := name + suffix
	if len(plain) <= length && len(validation.IsDNS1035Label(plain)) == 0 && !looksCut.MatchString(name) {
		return plain
	}
	// The separator keeps apart what is cut at different places.
	return label(name, length-len(suffix)-hashLength-len(marker)) + marker + Hash(name+"\x00"+suffix) + suffix
}

// label is as much of a text as fits a label of a length that starts with a letter.
func label(text string, length int) string {
	clean := notDNS.ReplaceAllString(strings.ToLower(text), "-")
	clean = strings.TrimLeft(clean, "-")
	if clean == "" || clean[0] < 'a' || clean[0] > 'z' {
		clean = "d" + clean
	}
	return cut(clean, length)
}
