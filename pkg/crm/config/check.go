// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

type checkFunc func(ok bool, format string, args ...any)

func checkNamespace(check checkFunc, namespace string) {
	if namespace == "" {
		return
	}
	problems := validation.IsDNS1123Label(namespace)
	check(len(problems) == 0, "K8S_NAMESPACE is %q: %s", namespace, strings.Join(problems, ", "))
}

// checkAddress wants host:port, or 0 where that turns a listener off.
func checkAddress(check checkFunc, name, address string, optional bool) {
	if optional && address == "0" {
		return
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	check(err == nil, "%s is %q: use host:port or :port", name, address)
}
