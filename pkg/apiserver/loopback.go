// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"oaas.io/oaas/pkg/generated/clientset/versioned"
)

// newLoopbackClient makes a client of the server's own API.
func newLoopbackClient(loopback *rest.Config) (versioned.Interface, error) {
	client, err := versioned.NewForConfig(quiet(protobuf(unthrottled(loopback))))
	if err != nil {
		return nil, fmt.Errorf("client for the own API: %w", err)
	}
	return client, nil
}

// unthrottled takes the client's own rate limit away: the server's priority and
// fairness does that job.
func unthrottled(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.QPS = -1
	config.RateLimiter = nil
	return config
}

func protobuf(config *rest.Config) *rest.Config {
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	return config
}

// quiet drops the API's warnings: they are for the author of an object, who got
// them already, and would fill the log with every write of a status.
func quiet(config *rest.Config) *rest.Config {
	config.WarningHandler = rest.NoWarnings{}
	return config
}
