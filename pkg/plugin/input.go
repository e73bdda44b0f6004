// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"oaas.io/oaas/pkg/oaasfile"
)

// fetchTimeout bounds the reading of a URL.
const fetchTimeout = 30 * time.Second

// input is a file that was read, with the name to speak of it.
type input struct {
	name string
	data []byte
}

// reader reads what -f names.
type reader struct {
	stdin     io.Reader
	recursive bool
	client    *http.Client
}

// readAll reads every input, or tells all that could not be read.
func (r *reader) readAll(ctx context.Context, names []string) ([]input, error) {
	var inputs []input
	var errs []error
	for _, name := range names {
		read, err := r.read(ctx, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		inputs = append(inputs, read...)
	}
	return inputs, errors.Join(errs...)
}

func (r *reader) read(ctx context.Context, name string) ([]input, error) {
	switch {
	case name == "-":
		data, err := readLimited(r.stdin, "standard input")
		return []input{{name: "standard input", data: data}}, err
	case strings.HasPrefix(name, "http://"), strings.HasPrefix(name, "https://"):
		data, err := r.fetch(ctx, name)
		return []input{{name: name, data: data}}, err
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("reading -f %s: %w", name, errors.Unwrap(err))
	}
	if !info.IsDir() {
		data, err := readFile(name)
		return []input{{name: name, data: data}}, err
	}
	return r.readDirectory(name)
}

// readDirectory reads the files of a directory in the order of their names, so
// that messages and the order of applying do not depend on the file system.
func (r *reader) readDirectory(dir string) ([]input, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != dir && !r.recursive:
			return filepath.SkipDir
		case !entry.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading directory %s: %w", dir, err)
	}
	if len(files) == 0 {
		hint := ""
		if !r.recursive {
			hint = "; -R reads its subdirectories too"
		}
		return nil, fmt.Errorf("directory %s has no .yaml, .yml or .json file%s", dir, hint)
	}
	inputs := make([]input, 0, len(files))
	for _, file := range files {
		data, err := readFile(file)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, input{name: file, data: data})
	}
	return inputs, nil
}

func (r *reader) fetch(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("reading -f %s: %w", url, err)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reading -f: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("reading -f %s: the server answered %s", url, response.Status)
	}
	return readLimited(response.Body, url)
}

func readFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readLimited(file, name)
}

// readLimited stops at the size that the parser would refuse anyway.
func readLimited(from io.Reader, name string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, oaasfile.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(data) > oaasfile.MaxSize {
		return nil, fmt.Errorf("%s is larger than %d MiB: split it", name, oaasfile.MaxSize>>20)
	}
	return data, nil
}
