// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package scale

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
)

// profileAll writes CPU profiles of servers to the folder, named after what they
// do, and returns when all are there. A server without profiling is an error.
func profileAll(ctx context.Context, folder, what string, during time.Duration, servers ...*Server) error {
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return fmt.Errorf("making the folder of profiles: %w", err)
	}
	profiling, ctx := errgroup.WithContext(ctx)
	for _, s := range servers {
		profiling.Go(func() error {
			path := filepath.Join(folder, strings.ReplaceAll(what+" "+s.Name, " ", "-")+".pprof")
			if err := profile(ctx, s.Direct, during, path); err != nil {
				return fmt.Errorf("profiling %s: %w", s.Name, err)
			}
			return nil
		})
	}
	return profiling.Wait()
}

func profile(ctx context.Context, config *rest.Config, during time.Duration, path string) error {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	base, err := url.Parse(config.Host)
	if err != nil {
		return err
	}
	seconds := max(1, int(during.Seconds()))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet,
		base.JoinPath("/debug/pprof/profile").String()+"?seconds="+strconv.Itoa(seconds), nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return refusal(response)
	}
	defer func() { _ = response.Body.Close() }() // what matters was read
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return fmt.Errorf("writing the profile: %w", err)
	}
	return nil
}
