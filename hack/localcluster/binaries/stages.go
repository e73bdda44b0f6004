// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package binaries

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const kwokModule = "sigs.k8s.io/kwok"

// stageFolders are kwok's own descriptions of a node that gets and stays ready
// and of a pod that runs at once, under kustomize/stage of its module. kwok
// refuses to run without any.
func stageFolders() []string {
	return []string{"node/fast", "node/heartbeat-with-lease", "pod/fast"}
}

// kwokStages returns a file of the stages at the pinned version of kwok. They
// come from the module, so that they always fit the program.
func (e *ensurer) kwokStages(ctx context.Context) (string, error) {
	src, _ := sourceOf(Kwok)
	pinned, err := e.pin(src)
	if err != nil {
		return "", err
	}
	path := filepath.Join(e.CacheDir, cacheKey(src.folder, pinned, strings.Join(stageFolders(), ","), "", ""), "stages.yaml")
	err = e.once(ctx, path, func() error {
		module, err := moduleFolder(ctx, pinned.dir, src.module, pinned.version)
		if err != nil {
			return fmt.Errorf("getting the stages of kwok %s: %w", pinned.version, err)
		}
		content, err := joinStages(filepath.Join(module, "kustomize", "stage"), stageFolders())
		if err != nil {
			return err
		}
		temp := fmt.Sprintf("%s.%d.tmp", path, os.Getpid())
		defer func() { _ = os.Remove(temp) }() // gone after success
		if err := os.WriteFile(temp, content, 0o644); err != nil {
			return fmt.Errorf("keeping kwok's stages: %w", err)
		}
		return os.Rename(temp, path)
	})
	return path, err
}

// joinStages makes one YAML stream of the Stage objects in folders under base.
func joinStages(base string, folders []string) ([]byte, error) {
	var out bytes.Buffer
	for _, folder := range folders {
		dir := filepath.Join(base, filepath.FromSlash(folder))
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("reading kwok's stages: %w", err)
		}
		found := false
		for _, entry := range entries {
			if entry.IsDir() || filepath.Ext(entry.Name()) != ".yaml" || entry.Name() == "kustomization.yaml" {
				continue
			}
			content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
			if err != nil {
				return nil, fmt.Errorf("reading kwok's stages: %w", err)
			}
			found = true
			out.WriteString("---\n")
			out.Write(bytes.TrimRight(content, "\n"))
			out.WriteString("\n")
		}
		if !found {
			return nil, fmt.Errorf("kwok's module has no stage in %s", dir)
		}
	}
	return out.Bytes(), nil
}
