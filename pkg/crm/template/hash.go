// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package template

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

// hashLength is in hexadecimal digits: 80 bits tell the revisions of a template
// apart, and fit a label.
const hashLength = 20

// Hash identifies the content of a template: equal content has an equal hash,
// however the fields of its manifests were ordered or spaced.
func Hash(spec *v1alpha1.DeploymentTemplateSpec) string {
	encoded, err := json.Marshal(canonical(spec))
	if err != nil {
		// Only a manifest that is no JSON gets here, and that is never stored.
		encoded = []byte(err.Error())
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:])[:hashLength]
}

// canonical is the content without the freedom that JSON leaves: the encoder sorts
// the keys of maps.
func canonical(spec *v1alpha1.DeploymentTemplateSpec) any {
	complete := spec.DeepCopy()
	// What the API server fills in is no other content.
	complete.ODGM.Mode = cmp.Or(complete.ODGM.Mode, v1alpha1.ODGMNone)
	if complete.Capabilities.Serving == nil {
		complete.Capabilities.Serving = new(true)
	}
	encoded, err := json.Marshal(complete)
	if err != nil {
		return err.Error()
	}
	var content any
	if err := json.Unmarshal(encoded, &content); err != nil {
		return err.Error()
	}
	return content
}
