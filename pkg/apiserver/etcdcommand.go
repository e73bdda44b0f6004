// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/apiserver/pkg/storage/storagebackend"

	"oaas.io/oaas/pkg/apiserver/embeddedetcd"
	"oaas.io/oaas/pkg/apiserver/etcdauth"
)

// standardOutput stands for it where a file could be named.
const standardOutput = "-"

// newEtcdCommand groups the commands on what is stored.
func newEtcdCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "etcd",
		Short: "Save and restore what the server stores",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	// The server's own help lists the server's flags.
	plain := &cobra.Command{}
	cmd.SetHelpFunc(plain.HelpFunc())
	cmd.SetUsageFunc(plain.UsageFunc())
	cmd.AddCommand(newSnapshotCommand(), newRestoreCommand())
	return cmd
}

// snapshotOptions say what is saved, and where to.
type snapshotOptions struct {
	embedded embeddedetcd.Options
	endpoint string
	to       storagebackend.TransportConfig
	auth     etcdauth.Options
	output   string
}

func newSnapshotCommand() *cobra.Command {
	var o snapshotOptions
	cmd := &cobra.Command{
		Use:   "snapshot (--data-dir DIR | --endpoint URL) --output FILE",
		Short: "Save everything that is stored to a file",
		Long: `Saves everything that is stored to a file, while the server runs or not. With
--data-dir it is the embedded etcd in that folder, for the user that the server
runs as; with --endpoint it is the member of another etcd, which must let the user
do maintenance.

The file holds packages as they are stored: in plain text without
--encryption-provider-config. It appears when it is whole and was found free of
errors.`,
		Example: `  oaas-apiserver etcd snapshot --data-dir /var/lib/oaas --output /backup/oaas-$(date +%F).db

  # Out of a pod
  kubectl exec -n oaas-system oaas-apiserver-0 -- /apiserver etcd snapshot --data-dir /var/lib/oaas --output - > oaas.db`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.embedded.DataDir, "data-dir", "", "Folder of the embedded etcd.")
	flags.StringVar(&o.endpoint, "endpoint", "", "Member of another etcd, such as https://10.0.0.1:2379.")
	flags.StringVar(&o.to.TrustedCAFile, "etcd-cafile", "", "With --endpoint: authority that signed the certificate of etcd.")
	flags.StringVar(&o.to.CertFile, "etcd-certfile", "", "With --endpoint: certificate to show to etcd.")
	flags.StringVar(&o.to.KeyFile, "etcd-keyfile", "", "With --endpoint: key of the certificate.")
	o.auth.AddFlags(flags)
	flags.StringVar(&o.output, "output", "", "File to create, which must not exist; - prints the snapshot instead.")
	return cmd
}

func (o *snapshotOptions) run(cmd *cobra.Command) error {
	switch {
	case (o.embedded.DataDir == "") == (o.endpoint == ""):
		return errors.New("set either --data-dir or --endpoint, to say what is saved")
	case o.output == "":
		return errors.New("set --output to the file that is to be created")
	}
	if err := errors.Join(o.auth.Validate(o.endpoint == "", nil)...); err != nil {
		return err
	}
	if o.output == standardOutput {
		return o.stream(cmd)
	}
	return o.save(cmd, o.output, cmd.OutOrStdout())
}

// stream saves to a file first, since errors are found when it is whole. The data
// folder is what can be written to where a pod's file system is read-only.
func (o *snapshotOptions) stream(cmd *cobra.Command) (err error) {
	folder, err := os.MkdirTemp(o.embedded.DataDir, "snapshot-")
	if err != nil {
		return fmt.Errorf("create a folder for the snapshot: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	path := filepath.Join(folder, "snapshot")
	if err := o.save(cmd, path, cmd.ErrOrStderr()); err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the snapshot: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := io.Copy(cmd.OutOrStdout(), file); err != nil {
		return fmt.Errorf("print the snapshot: %w", err)
	}
	return nil
}

// save saves to a file and tells what is in it.
func (o *snapshotOptions) save(cmd *cobra.Command, path string, tell io.Writer) error {
	summary, err := o.snapshot(cmd.Context(), path)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(tell, "saved %d keys as of revision %d, %d bytes\n", summary.Keys, summary.Revision, summary.Bytes)
	return err
}

func (o *snapshotOptions) snapshot(ctx context.Context, path string) (embeddedetcd.Summary, error) {
	if o.endpoint == "" {
		return o.embedded.Snapshot(ctx, path)
	}
	name, password, err := o.auth.Read()
	if err != nil {
		return embeddedetcd.Summary{}, err
	}
	o.to.ServerList = []string{o.endpoint}
	client, err := etcdauth.ClientConfig(o.to, name, password)
	if err != nil {
		return embeddedetcd.Summary{}, err
	}
	return embeddedetcd.Snapshot(ctx, client, path)
}

func newRestoreCommand() *cobra.Command {
	var embedded embeddedetcd.Options
	var snapshot string
	var bump uint64
	cmd := &cobra.Command{
		Use:   "restore --snapshot FILE --data-dir DIR",
		Short: "Fill a folder for an embedded etcd from a saved file",
		Long: `Fills a folder for an embedded etcd from a saved file, after it was checked
against its hash. The folder must not hold an etcd yet, and is left as it was when
something is wrong.

Revisions go on later than any that clients may have seen, so that nobody takes the
restored state for a newer one: open watches end with 410 Gone, and clients list
again by themselves.`,
		Example: `  oaas-apiserver etcd restore --snapshot /backup/oaas-2026-01-31.db --data-dir /var/lib/oaas`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if snapshot == "" || embedded.DataDir == "" {
				return errors.New("set --snapshot to the file to restore and --data-dir to the folder to fill")
			}
			summary, err := embedded.Restore(snapshot, bump)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "restored %d keys as of revision %d to %s\n", summary.Keys, summary.Revision, embedded.DataDir)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&snapshot, "snapshot", "", "File that etcd snapshot, or etcdctl snapshot save, has made.")
	flags.StringVar(&embedded.DataDir, "data-dir", "", "Folder to fill; created if absent.")
	flags.Uint64Var(&bump, "revision-bump", embeddedetcd.DefaultRevisionBump,
		"By how much revisions go on from those in the snapshot; more than there were writes since.")
	return cmd
}
