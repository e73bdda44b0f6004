// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"

	"k8s.io/cli-runtime/pkg/printers"
)

// Exit codes of the program.
const (
	// ExitOK means that everything asked for was done.
	ExitOK = 0
	// ExitError means that something was refused or failed.
	ExitError = 1
	// ExitUsage means that flags or arguments are wrong.
	ExitUsage = 2
	// ExitTimeout means that a wait ended before what was waited for.
	ExitTimeout = 3
	// ExitFailed means that a deployment failed and needs a change.
	ExitFailed = 4
	// ExitInterrupted means that the user interrupted a wait.
	ExitInterrupted = 130
)

const exitCodesHelp = `Exit codes: 0 done, 1 refused or failed, 2 wrong flags or arguments, 3 the wait timed out,
4 a deployment failed and needs a change, 130 interrupted.`

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func withCode(code int, err error) error {
	return &exitError{code: code, err: err}
}

func usageErrorf(format string, args ...any) error {
	return withCode(ExitUsage, fmt.Errorf(format, args...))
}

// ExitCode is the exit code for what a command returned.
func ExitCode(err error) int {
	var coded *exitError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	default:
		return ExitError
	}
}

// PrintError writes an error for the user.
func PrintError(w io.Writer, err error) {
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(w, "Interrupted.")
		return
	}
	fmt.Fprintf(w, "Error: %s\n", printers.EscapeTerminal(err.Error()))
	if ExitCode(err) == ExitUsage {
		fmt.Fprintln(w, "Run the command with --help to see its flags and examples.")
	}
}
