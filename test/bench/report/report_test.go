// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFigureMeetsItsAim(t *testing.T) {
	tests := map[string]struct {
		figure Figure
		met    bool
		fails  bool
	}{
		"a value above a lower bound":      {figure: Figure{Value: 1.6, Aim: ">= 1.5"}, met: true},
		"a value below a lower bound":      {figure: Figure{Value: 1.4, Aim: ">= 1.5"}},
		"a value at an upper bound":        {figure: Figure{Value: 30, Aim: "<= 30"}, met: true},
		"a value above an upper bound":     {figure: Figure{Value: 31, Aim: "<= 30"}},
		"a figure that only informs":       {figure: Figure{Value: 31}, met: true},
		"an aim that says nothing to meet": {figure: Figure{Aim: "fast"}, fails: true},
		"an aim of an unknown comparison":  {figure: Figure{Aim: "== 3"}, fails: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			met, err := test.figure.Met()
			if met != test.met || (err != nil) != test.fails {
				t.Errorf("got %v, %v; want %v, error %v", met, err, test.met, test.fails)
			}
		})
	}
}

func TestWritePrintsATableAndAppendsLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.json")
	t.Setenv(OutVariable, path)
	r := New("api")
	r.Add("create ratio", 1.25, "ratio", ">= 1")
	var out bytes.Buffer
	for range 2 {
		if err := r.Write(&out); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(out.String(), "create ratio  1.25   ratio  >= 1  yes") {
		t.Errorf("printed:\n%s", out.String())
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines after two runs", len(lines))
	}
	var got Figure
	if err := json.Unmarshal([]byte(lines[0]), &got); err != nil {
		t.Fatal(err)
	}
	if want := (Figure{Bench: "api", Name: "create ratio", Value: 1.25, Unit: "ratio", Aim: ">= 1"}); got != want {
		t.Errorf("line holds %+v, want %+v", got, want)
	}
}
