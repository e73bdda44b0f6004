// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package children

import "encoding/json"

// OwnsReplicas tells whether spec.replicas is the reconciler's: it applied the
// field, and nobody changed it since.
func (o *Object) OwnsReplicas() bool {
	var owned struct {
		Spec map[string]json.RawMessage `json:"f:spec"`
	}
	if json.Unmarshal(o.applied, &owned) != nil {
		return false
	}
	_, owns := owned.Spec["f:replicas"]
	return owns
}

// ReplicasHandedOver tells whether v1alpha1.FieldManagerReplicas keeps spec.replicas
// for somebody else.
func (o *Object) ReplicasHandedOver() bool { return o.handedOver }
