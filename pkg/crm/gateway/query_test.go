// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestShortNamesOfLists(t *testing.T) {
	for sentence, test := range map[string]struct{ method, target, want string }{
		"every short name has its field": {
			http.MethodGet, "/api/v1/deployment-records?package=p&class=c&env=e&status=running&limit=5&offset=10",
			"filter.class_key=c&filter.condition=RECORD_CONDITION_RUNNING&filter.environment=e&filter.package_name=p&offset=10&page_size=5",
		},
		"the other route lists too":                 {http.MethodGet, "/api/v1/deployments?env=e", "filter.environment=e"},
		"fields go by their own names as well":      {http.MethodGet, "/api/v1/deployments?filter.environment=e&page_token=x", "filter.environment=e&page_token=x"},
		"a status in full is taken":                 {http.MethodGet, "/api/v1/deployments?status=RECORD_CONDITION_FAILED", "filter.condition=RECORD_CONDITION_FAILED"},
		"a status that is none is left to be found": {http.MethodGet, "/api/v1/deployments?status=Great", "filter.condition=Great"},
		"an empty filter is none":                   {http.MethodGet, "/api/v1/deployments?env=&package=p", "filter.package_name=p"},
		"other calls are left alone":                {http.MethodPost, "/api/v1/deployments?package=p", "package=p"},
		"one deployment is left alone":              {http.MethodGet, "/api/v1/deployments/x?package=p", "package=p"},
	} {
		t.Run(sentence, func(t *testing.T) {
			var got string
			handler := shortNames(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.URL.RawQuery }))
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), test.method, test.target, nil))
			if got != test.want {
				t.Errorf("query = %q, want %q", got, test.want)
			}
		})
	}
}
