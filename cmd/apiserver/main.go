// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Command apiserver runs the OaaS Package Manager.
package main

import (
	"os"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/cli"

	"oaas.io/oaas/pkg/apiserver"
)

func main() {
	os.Exit(cli.Run(apiserver.NewCommand(genericapiserver.SetupSignalContext())))
}
