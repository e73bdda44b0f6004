// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"oaas.io/oaas/hack/localcluster/progress"
)

// Options of Build; the zero value works inside of the repository.
type Options struct {
	// Dir is the folder that archives are written to. Default: oaas/images in
	// the user's cache folder (os.UserCacheDir).
	Dir string
	// Progress hears of every build. Default: silence.
	Progress progress.Reporter
}

// Archive is an image in a file.
type Archive struct {
	// Reference is the name that the image gets when it is imported.
	Reference string
	// Path of the file, in the form of `docker save`.
	Path string
}

// Build compiles programs and packs them as images, in the order given. Go's
// own cache makes a second build a matter of a second or two.
func Build(ctx context.Context, o Options, sources ...Source) ([]Archive, error) {
	o.Progress = progress.OrDiscard(o.Progress)
	if o.Dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("finding a folder for images: %w; set XDG_CACHE_HOME or HOME", err)
		}
		o.Dir = filepath.Join(base, "oaas", "images")
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder for images: %w", err)
	}
	root, err := repository(ctx)
	if err != nil {
		return nil, err
	}
	archives := make([]Archive, 0, len(sources))
	for _, s := range sources {
		end := o.Progress.Begin("building image " + s.Reference)
		archive, err := build(ctx, root, o.Dir, s)
		end(err)
		if err != nil {
			return nil, fmt.Errorf("building image %s: %w", s.Reference, err)
		}
		archives = append(archives, archive)
	}
	return archives, nil
}

func build(ctx context.Context, root, dir string, s Source) (Archive, error) {
	program, err := compile(ctx, filepath.Join(root, filepath.FromSlash(s.Module)), s)
	if err != nil {
		return Archive{}, err
	}
	bundle, err := caBundle()
	if err != nil {
		return Archive{}, err
	}
	img, err := New(Content{Name: s.Name, Program: program, CABundle: bundle})
	if err != nil {
		return Archive{}, err
	}
	archive := Archive{Reference: s.Reference, Path: filepath.Join(dir, s.Name+".tar")}
	return archive, Write(archive, img)
}

// Write stores an image as an archive. The file appears complete.
func Write(a Archive, img v1.Image) error {
	tag, err := name.NewTag(a.Reference, name.StrictValidation)
	if err != nil {
		return fmt.Errorf("naming an image: %w", err)
	}
	temp, err := os.CreateTemp(filepath.Dir(a.Path), "."+filepath.Base(a.Path)+"-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", a.Path, err)
	}
	defer os.Remove(temp.Name())
	err = tarball.Write(tag, img, temp)
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), a.Path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", a.Path, err)
	}
	return nil
}

// compile builds a static program and returns it.
func compile(ctx context.Context, dir string, s Source) ([]byte, error) {
	temp, err := os.MkdirTemp("", "oaas-image-")
	if err != nil {
		return nil, fmt.Errorf("making a folder to build in: %w", err)
	}
	defer os.RemoveAll(temp)
	path := filepath.Join(temp, s.Name)
	flags := "-s -w -X " + repositoryModule + "/pkg/version.version=" + Version
	// No version control stamp: the same source gives the same program.
	if _, err := goCommand(ctx, dir, "build", "-buildvcs=false", "-ldflags", flags, "-o", path, s.Package); err != nil {
		return nil, err
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the built %s: %w", s.Name, err)
	}
	return program, nil
}

// repository returns the folder of this repository.
func repository(ctx context.Context) (string, error) {
	out, err := goCommand(ctx, "", "list", "-m", "-f", "{{.Dir}}", repositoryModule)
	if err != nil {
		return "", fmt.Errorf("finding the source tree of %s, which images are built from: run this inside of it: %w", repositoryModule, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// goCommand runs the go command for Linux in dir, empty for the current one.
func goCommand(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOOS=linux", "GOARCH=")
	// The go command passes an interrupt on to its compilers.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}

// caBundle returns the authorities that this machine trusts. A machine without
// any makes images that trust nobody beyond the cluster.
func caBundle() ([]byte, error) {
	// Where the distributions keep it: Debian and Alpine, Fedora, openSUSE.
	for _, path := range []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"} {
		content, err := os.ReadFile(path)
		switch {
		case err == nil:
			return content, nil
		case !errors.Is(err, os.ErrNotExist):
			return nil, fmt.Errorf("reading this machine's certificate authorities: %w", err)
		}
	}
	return nil, nil
}
