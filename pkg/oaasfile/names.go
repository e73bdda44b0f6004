// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package oaasfile

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// KeyAnnotation keeps the key of a deployment as the file wrote it, when it is
// not the ClassDeployment's name.
const KeyAnnotation = "pm.oaas.io/key"

// DeploymentName is the name of the ClassDeployment for a deployment's key. A
// key that is a DNS-1123 label is its own name. Any other is put in lower case,
// each run of other characters than letters and digits becomes one dash, and
// what is longer than 63 characters is cut and ends in a hash of the key. The
// name follows from the key alone, so that deploying another file next to it
// never renames a deployment; Parse refuses two keys that get one name. The
// result is empty for a key without letters and digits.
func DeploymentName(key string) string {
	if len(validation.IsDNS1123Label(key)) == 0 {
		return key
	}
	name := slug(key)
	if len(name) <= validation.DNS1123LabelMaxLength {
		return name
	}
	const hashLength = 8
	sum := sha256.Sum256([]byte(key))
	cut := strings.TrimRight(name[:validation.DNS1123LabelMaxLength-hashLength-1], "-")
	return cut + "-" + hex.EncodeToString(sum[:])[:hashLength]
}

// slug turns any text into lower-case letters, digits and single dashes, with
// neither a first nor a last dash.
func slug(text string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(text) {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			gap = b.Len() > 0
			continue
		}
		if gap {
			b.WriteByte('-')
			gap = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// nameProblem says why a text cannot be the name of a package, and suggests one
// that can; it is empty for a good name.
func nameProblem(name string) string {
	if len(validation.IsDNS1123Label(name)) == 0 {
		return ""
	}
	message := "is not a valid name: use at most 63 lower-case letters, digits and dashes, first and last a letter or a digit"
	if suggestion := DeploymentName(name); suggestion != "" && suggestion != name {
		message += ", such as " + suggestion
	}
	return message
}
