// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package report prints the figures of a benchmark as a table and, when the
// environment variable BENCH_OUT names a file, appends each as a line of JSON.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
)

// OutVariable names the file that figures are appended to.
const OutVariable = "BENCH_OUT"

// Figure is one measured value.
type Figure struct {
	// Bench is the benchmark, such as api.
	Bench string `json:"bench"`
	// Name says what was measured.
	Name string `json:"name"`
	// Value in Unit.
	Value float64 `json:"value"`
	// Unit of the value: ratio, 1/s, ms, s, MiB.
	Unit string `json:"unit"`
	// Aim is a comparison that the value should satisfy, such as ">= 1.5"; empty
	// for a figure that only informs.
	Aim string `json:"aim"`
}

// Met says whether the value satisfies the aim; a figure without an aim does.
func (f Figure) Met() (bool, error) {
	if f.Aim == "" {
		return true, nil
	}
	comparison, number, ok := strings.Cut(f.Aim, " ")
	bound, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil {
		return false, fmt.Errorf("aim %q of %s: want a comparison and a number, such as >= 1.5", f.Aim, f.Name)
	}
	switch comparison {
	case ">=":
		return f.Value >= bound, nil
	case "<=":
		return f.Value <= bound, nil
	}
	return false, fmt.Errorf("aim %q of %s: want >= or <=", f.Aim, f.Name)
}

// Report collects the figures of one benchmark.
type Report struct {
	bench   string
	figures []Figure
}

// New returns an empty report of a benchmark.
func New(bench string) *Report { return &Report{bench: bench} }

// Add adds a figure.
func (r *Report) Add(name string, value float64, unit, aim string) {
	r.figures = append(r.figures, Figure{Bench: r.bench, Name: name, Value: value, Unit: unit, Aim: aim})
}

// Write prints the table and appends to the file of OutVariable.
func (r *Report) Write(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FIGURE\tVALUE\tUNIT\tAIM\tMET")
	for _, f := range r.figures {
		met, err := f.Met()
		if err != nil {
			return err
		}
		verdict := ""
		if f.Aim != "" {
			verdict = map[bool]string{true: "yes", false: "no"}[met]
		}
		fmt.Fprintf(table, "%s\t%.4g\t%s\t%s\t%s\n", f.Name, f.Value, f.Unit, f.Aim, verdict)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing the figures: %w", err)
	}
	if path := os.Getenv(OutVariable); path != "" {
		return r.appendTo(path)
	}
	return nil
}

func (r *Report) appendTo(path string) (err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) // figures are public
	if err != nil {
		return fmt.Errorf("opening the file that %s names: %w", OutVariable, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	encoder := json.NewEncoder(file)
	for _, f := range r.figures {
		if err := encoder.Encode(f); err != nil {
			return fmt.Errorf("appending to %s: %w", path, err)
		}
	}
	return nil
}
