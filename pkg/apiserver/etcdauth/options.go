// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package etcdauth gives storage a user name and a password for etcd. The storage of
// the Kubernetes libraries knows certificates only, so it talks to a proxy in its
// own process, which passes each call on with the token that etcd gave for them.
package etcdauth

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// Options say who the server is to etcd.
type Options struct {
	// UsernameFile holds the user's name.
	UsernameFile string
	// PasswordFile holds its password. Both are read again when they change.
	PasswordFile string
}

// AddFlags adds the flags to a flag set.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.UsernameFile, "etcd-username-file", o.UsernameFile,
		"File with the name of the etcd user that the server is, for an etcd that asks for more than a certificate. Read again when it changes.")
	fs.StringVar(&o.PasswordFile, "etcd-password-file", o.PasswordFile,
		"File with the password of the user in --etcd-username-file. Read again when it changes.")
}

// Enabled is true when there is a user to be.
func (o *Options) Enabled() bool {
	return o.UsernameFile != "" || o.PasswordFile != ""
}

// Validate returns everything that is wrong with the options, given whether etcd
// is embedded and which resources are stored elsewhere.
func (o *Options) Validate(embedded bool, overrides []string) []error {
	if !o.Enabled() {
		return nil
	}
	var errs []error
	if o.UsernameFile == "" || o.PasswordFile == "" {
		errs = append(errs, errors.New("--etcd-username-file and --etcd-password-file need each other: set both"))
	}
	if embedded {
		errs = append(errs, errors.New("--etcd-username-file is of no use with --etcd-embedded, which nobody but this server reaches"))
	}
	if len(overrides) > 0 {
		errs = append(errs, errors.New("--etcd-username-file and --etcd-servers-overrides exclude each other: the other servers would get no user name"))
	}
	return errs
}

// Read returns the user's name and its password, both empty without the options.
func (o *Options) Read() (name, password string, err error) {
	if !o.Enabled() {
		return "", "", nil
	}
	if name, err = readLine("--etcd-username-file", o.UsernameFile); err != nil {
		return "", "", err
	}
	password, err = readLine("--etcd-password-file", o.PasswordFile)
	return name, password, err
}

// readLine returns a file's content without the end of the line, which editors
// add.
func readLine(flag, path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", flag, err)
	}
	line := strings.TrimRight(string(content), "\r\n")
	if line == "" {
		return "", fmt.Errorf("%s=%s: the file is empty", flag, path)
	}
	return line, nil
}
