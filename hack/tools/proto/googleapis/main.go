// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Command googleapis writes the files of google.api.http, which map calls to HTTP,
// as protobuf sources into a folder. They come from the descriptors in Google's own
// Go module, whose version and checksum are in this module, so buf fetches nothing.
// Descriptors have no comments; the meaning of the options is documented at
// https://google.aip.dev/127.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/jhump/protoreflect/v2/protoprint"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: googleapis <folder>")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "googleapis:", err)
		os.Exit(1)
	}
}

// header is what descriptors do not have: whose the files are, and where they are
// from.
const header = `// Copyright Google LLC
// SPDX-License-Identifier: Apache-2.0

// Written by hack/generate.sh from google.golang.org/genproto/googleapis/api. DO NOT EDIT.
`

func write(folder string) error {
	printer := protoprint.Printer{Compact: true}
	for _, file := range []protoreflect.FileDescriptor{annotations.File_google_api_annotations_proto, annotations.File_google_api_http_proto} {
		source, err := printer.PrintProtoToString(file)
		if err != nil {
			return fmt.Errorf("print %s: %w", file.Path(), err)
		}
		path := filepath.Join(folder, filepath.FromSlash(file.Path()))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(header+source), 0o644); err != nil {
			return err
		}
	}
	return nil
}
