// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package module keeps Knative Serving among the requirements of its module.
package module

import (
	// The definitions of Knative's kinds.
	_ "knative.dev/serving/config/core/300-resources"
)
