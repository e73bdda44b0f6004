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

func write(folder string) error {
	printer := protoprint.Printer{Compact: true}
	files := []protoreflect.FileDescriptor{annotations.File_google_api_annotations_proto, annotations.File_google_api_http_proto}
	if err := printer.PrintProtosToFileSystem(files, folder); err != nil {
		return fmt.Errorf("write protobuf sources into %s: %w", folder, err)
	}
	return nil
}
