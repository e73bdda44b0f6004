// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package install_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/apitesting/roundtrip"

	"oaas.io/oaas/pkg/apis/pm/fuzzer"
	"oaas.io/oaas/pkg/apis/pm/install"
)

// TestRoundTrip converts random objects to every version, encodes them as JSON,
// YAML and protobuf, and back: nothing may be lost or changed.
func TestRoundTrip(t *testing.T) {
	t.Run("JSON, YAML and protobuf through every version", func(t *testing.T) {
		roundtrip.RoundTripTestForAPIGroup(t, install.Install, fuzzer.Funcs)
	})
	t.Run("protobuf as it is stored", func(t *testing.T) {
		roundtrip.RoundTripProtobufTestForAPIGroup(t, install.Install, fuzzer.Funcs)
	})
}
