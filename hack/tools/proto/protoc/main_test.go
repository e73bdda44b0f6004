// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseRefusesWhatItDoesNotSupport(t *testing.T) {
	for sentence, test := range map[string]struct {
		args []string
		want string
	}{
		"no files":           {args: []string{"--go_out=."}, want: "usage:"},
		"no plugin":          {args: []string{"a.proto"}, want: "usage:"},
		"-I without a value": {args: []string{"--go_out=.", "a.proto", "-I"}, want: "-I needs a directory"},
		"an unknown flag":    {args: []string{"--go_opt=x", "a.proto"}, want: `"--go_opt=x" is not known`},
		"two plugins":        {args: []string{"--go_out=.", "--gogo_out=.", "a.proto"}, want: "second plugin"},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, err := parse(test.args)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("parse(%q): got error %v, want one that says %q", test.args, err, test.want)
			}
		})
	}
}

func TestCompileOrdersImportsBeforeTheFilesThatNeedThem(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(first, "api/v1/api.proto"), `
		syntax = "proto3";
		package api.v1;
		import "shared/unit.proto";
		import "google/protobuf/timestamp.proto";
		message Order { shared.Unit unit = 1; google.protobuf.Timestamp at = 2; }`)
	writeFile(t, filepath.Join(second, "shared/unit.proto"), `
		syntax = "proto3";
		package shared;
		message Unit {}`)

	cmd := &command{
		importPaths: []string{".", first, second},
		plugin:      "go",
		files:       []string{filepath.Join(first, "api/v1/api.proto")},
	}
	request, err := cmd.compile(t.Context())
	if err != nil {
		t.Fatalf("compile: %v", err)
	}

	if got, want := request.GetFileToGenerate(), []string{"api/v1/api.proto"}; !slices.Equal(got, want) {
		t.Errorf("files to generate: got %q, want %q", got, want)
	}
	var order []string
	for _, file := range request.GetProtoFile() {
		order = append(order, file.GetName())
	}
	want := []string{"shared/unit.proto", "google/protobuf/timestamp.proto", "api/v1/api.proto"}
	if !slices.Equal(order, want) {
		t.Errorf("descriptors: got %q, want %q", order, want)
	}
}

func TestCompileNamesTheLineOfAnError(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "bad.proto"), "syntax = \"proto3\";\nmessage A { Missing b = 1; }\n")
	cmd := &command{importPaths: []string{dir}, plugin: "go", files: []string{filepath.Join(dir, "bad.proto")}}
	_, err := cmd.compile(t.Context())
	if err == nil || !strings.Contains(err.Error(), "bad.proto:2:") {
		t.Errorf("compile a file with an unknown type: got error %v, want one that names bad.proto:2", err)
	}
}

func TestImportNameRefusesAFileOutsideTheImportPaths(t *testing.T) {
	cmd := &command{importPaths: []string{"/a", "/b"}}
	if name, err := cmd.importName("/c/x.proto"); err == nil {
		t.Errorf("importName: got %q, want an error", name)
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
