// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package deploymenttemplate

import (
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// kindsSource turns each event into requests for whatever mapping names.
func kindsSource(changes <-chan event.GenericEvent, mapping handler.MapFunc) source.Source {
	return source.Channel(changes, handler.EnqueueRequestsFromMapFunc(mapping))
}
