// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

const (
	// routes is what the paths of all routes begin with.
	routes          = "/api/v1/"
	conditionPrefix = "RECORD_CONDITION_"
)

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

// queries puts fields in the place of short names in the queries of lists, and
// refuses names that stand for no field.
func queries(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" || !strings.HasPrefix(r.URL.Path, routes) {
			next.ServeHTTP(w, r)
			return
		}
		sent, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			// What cannot be read would be left out, and with a filter less a list is longer.
			refuse(w, http.StatusBadRequest, status.Newf(codes.InvalidArgument, "the parameters of %s %s cannot be read: %v", r.Method, r.URL.Path, err))
			return
		}
		request := requestOf(r)
		_, isList := request.(*deploymentv1.ListDeploymentRecordsRequest)
		query := url.Values{}
		for name, values := range sent {
			field := name
			if isList {
				field = fieldOf(name)
				// An empty filter passes everything, as an absent one.
				values = slices.DeleteFunc(conditions(name, values), func(value string) bool { return value == "" })
			}
			if request == nil || !has(request.ProtoReflect().Descriptor(), strings.Split(field, ".")) {
				refuse(w, http.StatusBadRequest, status.Newf(codes.InvalidArgument, "%q is no parameter of %s %s", name, r.Method, r.URL.Path))
				return
			}
			query[field] = append(query[field], values...)
		}
		renamed := r.Clone(r.Context())
		renamed.URL.RawQuery = query.Encode()
		next.ServeHTTP(w, renamed)
	})
}

// requestOf is the message whose fields the query of a request has; nil for a call
// without parameters.
func requestOf(r *http.Request) proto.Message {
	switch r.Method + " " + strings.TrimPrefix(r.URL.Path, routes) {
	case "GET deployment-records", "GET deployments":
		return &deploymentv1.ListDeploymentRecordsRequest{}
	case "POST deployments":
		return &deploymentv1.DeployRequest{}
	default:
		return nil
	}
}

// has tells whether a message has a field that a query can set, by either of its
// names.
func has(message protoreflect.MessageDescriptor, path []string) bool {
	field := message.Fields().ByName(protoreflect.Name(path[0]))
	if field == nil {
		field = message.Fields().ByJSONName(path[0])
	}
	switch {
	case field == nil:
		return false
	case len(path) == 1:
		return field.Message() == nil
	default:
		return field.Message() != nil && !field.IsList() && !field.IsMap() && has(field.Message(), path[1:])
	}
}

// conditions takes the words that users see of a status, such as Running, in any
// case.
func conditions(name string, words []string) []string {
	if name != "status" {
		return words
	}
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
