// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Settings that are accepted are valid and the same every time; what is refused is
// refused in one line.
func FuzzLoad(f *testing.F) {
	f.Add("", "")
	f.Add("profile: edge\nsecurity: {tlsCertFile: a, tlsKeyFile: b}\n", EnvPrefix+"LOG=debug")
	f.Add("limits: {maxReplicas: 5}", EnvPrefix+"LIMITS_MAX_REPLICAS=-1\n"+EnvPrefix+"PROFILE=full")
	f.Add("profile: [", EnvPrefix+"FEATURES_LEADER_ELECTION=maybe")
	f.Add("nope: 1", EnvPrefix+"NOPE=1\n"+EnvPrefix+"\n=\nPATH")
	f.Add("", EnvPrefix+"SECURITY_ALLOWED_NAMES= a , ,b\n"+EnvPrefix+"SECURITY_MTLS=true")
	f.Add("prometheus: {url: 'https://a:b@c/d'}\nprofile: edge\n", EnvPrefix+"FEATURES_PROMETHEUS=false\n"+EnvPrefix+"ENFORCEMENT_COOLDOWN_SECS=-1")
	f.Fuzz(func(t *testing.T, file, environ string) {
		load := func() (Config, error) {
			return Load(t.Context(), []byte(file), strings.Split(environ, "\n"), nil)
		}
		first, err := load()
		second, errAgain := load()
		if (err == nil) != (errAgain == nil) || (err != nil && err.Error() != errAgain.Error()) {
			t.Fatalf("two loads differ: %v and %v", err, errAgain)
		}
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Fatalf("the error has several lines: %q", err)
			}
			return
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatalf("two loads differ:\n%s", diff)
		}
		if err := first.Validate(); err != nil {
			t.Fatalf("accepted settings are not valid: %v", err)
		}
	})
}
