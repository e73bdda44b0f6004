// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"oaas.io/oaas/hack/localcluster/image"
)

func newImages() *cobra.Command {
	var dir string
	command := &cobra.Command{
		Use:   "images",
		Short: "Build the images of the platform as archives",
		Long: `Build the images of the Package Manager, the Class Runtime Manager, the function that
the examples run and the stand-in for the data grid, as archives in the form of "docker save", and print the
file and the name of each.`,
		Example: `  go run ./hack/localcluster images
  ctr -n k8s.io images import bin/images/crm.tar`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			absolute, err := filepath.Abs(dir)
			if err != nil {
				return fmt.Errorf("finding the folder of --output: %w", err)
			}
			archives, err := image.Build(c.Context(), image.Options{Dir: absolute, Progress: reporter(c)},
				image.APIServer(), image.CRM(), image.Function(), image.ODGM())
			if err != nil {
				return err
			}
			for _, archive := range archives {
				fmt.Fprintln(c.OutOrStdout(), archive.Path, archive.Reference)
			}
			return nil
		},
	}
	command.Flags().StringVarP(&dir, "output", "o", filepath.Join("bin", "images"), "folder that the archives are written to")
	return command
}
