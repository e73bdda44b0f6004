// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func TestArchiveLoadsBack(t *testing.T) {
	a := Archive{Reference: "oaas.io/echo:v1", Path: filepath.Join(t.TempDir(), "echo.tar")}
	writeImage(t, a, Content{Name: "echo", Program: []byte("program"), CABundle: []byte("authorities")})
	img := load(t, a)

	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := config.Config.Entrypoint; !slices.Equal(got, []string{"/echo"}) {
		t.Errorf("entrypoint %q, want /echo", got)
	}
	if config.Config.User != "65532:65532" {
		t.Errorf("user %q, want 65532:65532: a pod that must not run as root needs a number", config.Config.User)
	}
	if config.OS != "linux" || len(config.RootFS.DiffIDs) != 1 {
		t.Errorf("os %q with %d layers, want linux with one", config.OS, len(config.RootFS.DiffIDs))
	}

	type file struct {
		mode    int64
		content string
	}
	got := map[string]file{}
	for header, content := range entries(t, img) {
		if header.Uid != 0 || header.Gid != 0 {
			t.Errorf("%s belongs to %d:%d: the program must not be able to change it", header.Name, header.Uid, header.Gid)
		}
		got[header.Name] = file{header.Mode, content}
	}
	want := map[string]file{
		"etc/": {0o755, ""}, "etc/ssl/": {0o755, ""}, "etc/ssl/certs/": {0o755, ""}, "tmp/": {0o1777, ""},
		"echo": {0o755, "program"}, "etc/passwd": {0o644, passwd}, "etc/group": {0o644, group},
		caBundlePath: {0o644, "authorities"},
	}
	for name, w := range want {
		if got[name] != w {
			t.Errorf("%s is %o %q, want %o %q", name, got[name].mode, got[name].content, w.mode, w.content)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d entries, want %d: %v", len(got), len(want), got)
	}
}

func TestSameContentGivesTheSameArchive(t *testing.T) {
	content := Content{Name: "echo", Program: []byte("program")}
	var archives [2][]byte
	for i := range archives {
		a := Archive{Reference: "oaas.io/echo:v1", Path: filepath.Join(t.TempDir(), "echo.tar")}
		writeImage(t, a, content)
		// A clock that moved on must not show.
		if err := os.Chtimes(a.Path, time.Time{}, time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		var err error
		if archives[i], err = os.ReadFile(a.Path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("two archives of the same content differ")
	}
}

func TestWriteRefusesAReferenceWithoutTag(t *testing.T) {
	img, err := New(Content{Name: "echo"})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "echo.tar")
	if err := Write(Archive{Reference: "oaas.io/echo", Path: path}, img); err == nil {
		t.Error("written without a tag: the runtime would not find it by name")
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused image left a file: %v", err)
	}
}

func TestBuildPacksAStaticProgram(t *testing.T) {
	archives, err := Build(t.Context(), Options{Dir: t.TempDir()}, Pause())
	if err != nil {
		t.Fatal(err)
	}
	if len(archives) != 1 || archives[0].Reference != "oaas.io/pause:v0.1.0" {
		t.Fatalf("got %+v, want one archive of oaas.io/pause:v0.1.0", archives)
	}
	for header, content := range entries(t, load(t, archives[0])) {
		if header.Name != "pause" {
			continue
		}
		program, err := elf.NewFile(bytes.NewReader([]byte(content)))
		if err != nil {
			t.Fatalf("the entrypoint is not a program for Linux: %v", err)
		}
		if libraries, err := program.ImportedLibraries(); err != nil || len(libraries) > 0 {
			t.Errorf("the program needs %v (%v), which the image does not hold", libraries, err)
		}
		return
	}
	t.Error("the image holds no program")
}

func writeImage(t *testing.T, a Archive, c Content) {
	t.Helper()
	img, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(a, img); err != nil {
		t.Fatal(err)
	}
}

// load reads an archive in the way of a container runtime.
func load(t *testing.T, a Archive) v1.Image {
	t.Helper()
	tag, err := name.NewTag(a.Reference)
	if err != nil {
		t.Fatal(err)
	}
	img, err := tarball.ImageFromPath(a.Path, &tag)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// entries returns the files and folders of an image's only layer.
func entries(t *testing.T, img v1.Image) map[*tar.Header]string {
	t.Helper()
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers (%v), want one", len(layers), err)
	}
	layer, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer layer.Close()
	found := map[*tar.Header]string{}
	r := tar.NewReader(layer)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		found[header] = string(content)
	}
}
