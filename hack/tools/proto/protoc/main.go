// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Command protoc is as much of the protocol buffer compiler as go-to-protobuf
// asks for: import paths, one plugin and its output directory. It exists so
// that code generation needs nothing but Go; a system protoc would bring its
// own version, and its version would end up in the generated files.
//
//	protoc -I DIR [-I DIR]... --NAME_out=DIR FILE...
//
// The plugin protoc-gen-NAME is looked up in PATH.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "protoc: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	cmd, err := parse(args)
	if err != nil {
		return err
	}
	request, err := cmd.compile(ctx)
	if err != nil {
		return err
	}
	response, err := cmd.runPlugin(ctx, request)
	if err != nil {
		return err
	}
	return cmd.write(response)
}

// command is a parsed command line.
type command struct {
	importPaths []string
	plugin      string
	outputDir   string
	files       []string
}

func parse(args []string) (*command, error) {
	cmd := &command{}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "-I":
			if i++; i == len(args) {
				return nil, errors.New("-I needs a directory after it")
			}
			cmd.importPaths = append(cmd.importPaths, args[i])
		case strings.HasPrefix(arg, "-I"):
			cmd.importPaths = append(cmd.importPaths, arg[len("-I"):])
		case strings.HasPrefix(arg, "--"):
			name, dir, ok := strings.Cut(arg[len("--"):], "=")
			plugin, isOutput := strings.CutSuffix(name, "_out")
			if !ok || !isOutput {
				return nil, fmt.Errorf("flag %q is not known; use -I DIR or --NAME_out=DIR", arg)
			}
			if cmd.plugin != "" {
				return nil, fmt.Errorf("flag %q is a second plugin; run one plugin at a time", arg)
			}
			cmd.plugin, cmd.outputDir = plugin, dir
		default:
			cmd.files = append(cmd.files, arg)
		}
	}
	if cmd.plugin == "" || len(cmd.files) == 0 {
		return nil, errors.New("usage: protoc -I DIR [-I DIR]... --NAME_out=DIR FILE...")
	}
	if len(cmd.importPaths) == 0 {
		cmd.importPaths = []string{"."}
	}
	return cmd, nil
}

// compile parses and links the files and returns them, with everything that
// they import in dependency order, as the request that a plugin reads.
func (c *command) compile(ctx context.Context) (*pluginpb.CodeGeneratorRequest, error) {
	names := make([]string, 0, len(c.files))
	for _, file := range c.files {
		name, err := c.importName(file)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: c.importPaths}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	linked, err := compiler.Compile(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", strings.Join(names, ", "), err)
	}
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: names}
	seen := map[string]bool{}
	for _, file := range linked {
		request.ProtoFile = appendWithImports(request.ProtoFile, seen, file)
	}
	return request, nil
}

// importName is the name under which other files import the given one: its path
// below the first import path that contains it.
func (c *command) importName(file string) (string, error) {
	for _, dir := range c.importPaths {
		rel, err := filepath.Rel(dir, file)
		if err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel), nil
		}
	}
	return "", fmt.Errorf("file %q is below none of the import paths %q", file, c.importPaths)
}

// appendWithImports appends the file after all that it imports, each once.
func appendWithImports(
	files []*descriptorpb.FileDescriptorProto, seen map[string]bool, file protoreflect.FileDescriptor,
) []*descriptorpb.FileDescriptorProto {
	if seen[file.Path()] {
		return files
	}
	seen[file.Path()] = true
	imports := file.Imports()
	for i := range imports.Len() {
		files = appendWithImports(files, seen, imports.Get(i).FileDescriptor)
	}
	return append(files, protoutil.ProtoFromFileDescriptor(file))
}

func (c *command) runPlugin(
	ctx context.Context, request *pluginpb.CodeGeneratorRequest,
) (*pluginpb.CodeGeneratorResponse, error) {
	input, err := proto.MarshalOptions{Deterministic: true}.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("encode the plugin's request: %w", err)
	}
	name := "protoc-gen-" + c.plugin
	cmd := exec.CommandContext(ctx, name)
	cmd.Stdin = bytes.NewReader(input)
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", name, err)
	}
	response := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(output, response); err != nil {
		return nil, fmt.Errorf("decode the answer of %s: %w", name, err)
	}
	if response.Error != nil {
		return nil, fmt.Errorf("%s: %s", name, response.GetError())
	}
	return response, nil
}

func (c *command) write(response *pluginpb.CodeGeneratorResponse) error {
	for _, file := range response.GetFile() {
		if file.GetInsertionPoint() != "" {
			return fmt.Errorf("file %q uses insertion point %q, which is not supported",
				file.GetName(), file.GetInsertionPoint())
		}
		if !filepath.IsLocal(file.GetName()) {
			return fmt.Errorf("file %q would be written outside %q", file.GetName(), c.outputDir)
		}
		path := filepath.Join(c.outputDir, file.GetName())
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("create the directory of %q: %w", path, err)
		}
		if err := os.WriteFile(path, []byte(file.GetContent()), 0o644); err != nil {
			return fmt.Errorf("write generated file: %w", err)
		}
	}
	return nil
}
