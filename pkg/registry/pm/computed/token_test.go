// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package computed

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func TestTokenSaysWhereTheNextPageBegins(t *testing.T) {
	want := Token{Revision: 42, After: []string{"shop", "echo", "Echo"}}
	got, err := DecodeToken(want.Encode(), 3)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the token differs (-want +got):\n%s", diff)
	}
}

func TestForgedTokensAreBadRequests(t *testing.T) {
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	tests := map[string]string{
		"no base64":                      "%%%",
		"no JSON":                        encode("nonsense"),
		"JSON of something else":         encode(`[1,2,3]`),
		"the token of a stored resource": encode(`{"v":"meta.k8s.io/v1","rv":3,"start":"shop/echo"}`),
		"no version":                     encode(`{"rv":3,"after":["a","b","c"]}`),
		"no revision":                    encode(`{"v":"pm.oaas.io/v1","after":["a","b","c"]}`),
		"a negative revision":            encode(`{"v":"pm.oaas.io/v1","rv":-2,"after":["a","b","c"]}`),
		"a revision that is too large":   encode(`{"v":"pm.oaas.io/v1","rv":99999999999999999999,"after":["a","b","c"]}`),
		"no position":                    encode(`{"v":"pm.oaas.io/v1","rv":3}`),
		"a longer position":              encode(`{"v":"pm.oaas.io/v1","rv":3,"after":["a","b","c","d"]}`),
		"a million items":                encode(`{"v":"pm.oaas.io/v1","rv":3,"after":[` + strings.Repeat(`"a",`, 1_000_000) + `"a"]}`),
		"deep nesting":                   encode(strings.Repeat("[", 3000)),
	}
	for sentence, text := range tests {
		t.Run(sentence, func(t *testing.T) {
			if _, err := DecodeToken(text, 3); !apierrors.IsBadRequest(err) {
				t.Errorf("got %v, want a bad request", err)
			}
		})
	}
}

func FuzzDecodeToken(f *testing.F) {
	f.Add(Token{Revision: 42, After: []string{"shop", "echo", "Echo"}}.Encode())
	f.Add("")
	f.Add("e30")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := DecodeToken(text, 3)
		if err != nil {
			if !apierrors.IsBadRequest(err) {
				t.Errorf("got %v, want a bad request", err)
			}
			return
		}
		if again, err := DecodeToken(token.Encode(), 3); err != nil || !cmp.Equal(token, again) {
			t.Errorf("the token %v became %v, %v", token, again, err)
		}
	})
}

func TestParseRevision(t *testing.T) {
	for text, want := range map[string]uint64{"": 0, "0": 0, "7": 7, "18446744073709551615": 1<<64 - 1} {
		if got, err := ParseRevision(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"-1", "x", "1.5", "18446744073709551616", " 1", strings.Repeat("9", 1_000_000)} {
		if _, err := ParseRevision(text); !apierrors.IsBadRequest(err) {
			t.Errorf("%.20q: got %v, want a bad request", text, err)
		}
	}
}
