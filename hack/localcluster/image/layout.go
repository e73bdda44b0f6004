// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"runtime"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// NonRoot is the user and group that every image runs as.
const NonRoot = 65532

const (
	caBundlePath = "etc/ssl/certs/ca-certificates.crt"
	passwd       = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n"
	group        = "root:x:0:\nnonroot:x:65532:\n"
)

// Content is what goes into an image.
type Content struct {
	// Name of the program; it becomes the entrypoint /Name.
	Name string
	// Program is a static executable for Linux.
	Program []byte
	// CABundle holds the authorities that the program trusts, PEM. Optional.
	CABundle []byte
}

// New returns an image with one layer. The same content gives the same image,
// whenever and wherever it is made.
func New(c Content) (v1.Image, error) {
	content, err := layerOf(c)
	if err != nil {
		return nil, fmt.Errorf("making the layer of %s: %w", c.Name, err)
	}
	// Not compressed: the archive goes no further than this machine.
	layer := static.NewLayer(content, types.DockerUncompressedLayer)
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, fmt.Errorf("adding the layer of %s: %w", c.Name, err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("configuring the image of %s: %w", c.Name, err)
	}
	config = config.DeepCopy()
	config.Architecture, config.OS = runtime.GOARCH, "linux"
	config.Created = v1.Time{Time: epoch()}
	config.Config = v1.Config{
		Entrypoint: []string{"/" + c.Name},
		// By number: a kubelet that must not run root cannot look names up.
		User:       fmt.Sprintf("%d:%d", NonRoot, NonRoot),
		WorkingDir: "/",
		Env:        []string{"PATH=/", "HOME=/tmp", "SSL_CERT_FILE=/" + caBundlePath},
	}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return nil, fmt.Errorf("configuring the image of %s: %w", c.Name, err)
	}
	return img, nil
}

// epoch is the time of everything in an image.
func epoch() time.Time { return time.Unix(0, 0).UTC() }

func layerOf(c Content) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	entries := []struct {
		name    string
		mode    int64
		content []byte
	}{
		{name: "etc/", mode: 0o755},
		{name: "etc/group", mode: 0o644, content: []byte(group)},
		{name: "etc/passwd", mode: 0o644, content: []byte(passwd)},
		{name: "etc/ssl/", mode: 0o755},
		{name: "etc/ssl/certs/", mode: 0o755},
		{name: caBundlePath, mode: 0o644, content: c.CABundle},
		{name: c.Name, mode: 0o755, content: c.Program},
		{name: "tmp/", mode: 0o1777},
	}
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.content)), ModTime: epoch(), Typeflag: tar.TypeReg}
		if e.content == nil && e.name[len(e.name)-1] == '/' {
			header.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		if _, err := w.Write(e.content); err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
