// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

const conditionPrefix = "RECORD_CONDITION_"

// fieldOf returns the field of ListDeploymentRecordsRequest that a short name in the
// query of a list stands for; other names are left to the transcoder, which knows
// the fields by their own.
func fieldOf(name string) string {
	switch name {
	case "package":
		return "filter.package_name"
	case "class":
		return "filter.class_key"
	case "env":
		return "filter.environment"
	case "status":
		return "filter.condition"
	case "limit":
		return "page_size"
	default:
		return name
	}
}

// shortNames puts fields in the place of short names in the queries of lists.
func shortNames(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" || !isList(r) {
			next.ServeHTTP(w, r)
			return
		}
		query := url.Values{}
		for name, values := range r.URL.Query() {
			if name == "status" {
				values = conditions(values)
			}
			// An empty filter passes everything, as an absent one.
			values = slices.DeleteFunc(values, func(value string) bool { return value == "" })
			query[fieldOf(name)] = append(query[fieldOf(name)], values...)
		}
		renamed := r.Clone(r.Context())
		renamed.URL.RawQuery = query.Encode()
		next.ServeHTTP(w, renamed)
	})
}

func isList(r *http.Request) bool {
	return r.Method == http.MethodGet && (r.URL.Path == "/api/v1/deployment-records" || r.URL.Path == "/api/v1/deployments")
}

// conditions takes the words that users see, such as Running, in any case.
func conditions(words []string) []string {
	values := make([]string, 0, len(words))
	for _, word := range words {
		value := conditionPrefix + strings.ToUpper(word)
		if _, known := deploymentv1.RecordCondition_value[value]; known {
			word = value
		}
		values = append(values, word)
	}
	return values
}
