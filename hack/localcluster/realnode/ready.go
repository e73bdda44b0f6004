// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package realnode

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"oaas.io/oaas/hack/localcluster/image"
)

// tailLines is how much of a log an error shows.
const tailLines = 15

// ctr runs containerd's client.
func ctr(ctx context.Context, args ...string) ([]byte, error) {
	return run(ctx, nil, "ctr", append([]string{"--address", containerdSocket(), "--namespace", "k8s.io"}, args...)...)
}

func (s *start) importImages(ctx context.Context) error {
	return importImages(ctx, s.files, s.images)
}

// Import makes further images available to the pods of this machine's node. An
// image that is there already is replaced if its content changed; pods that run
// keep theirs.
func Import(ctx context.Context, archives ...image.Archive) error {
	s, err := loadState()
	if err != nil {
		return err
	}
	if !s.running(containerd) {
		return errors.New("importing images: this machine is no real node: start one first")
	}
	return importImages(ctx, filesOf(s.ClusterDir), archives)
}

func importImages(ctx context.Context, f files, archives []image.Archive) error {
	mode := snapshotter(string(f))
	for _, archive := range archives {
		if _, err := ctr(ctx, "images", "import", "--snapshotter", mode, archive.Path); err != nil {
			return fmt.Errorf("importing image %s: %w", archive.Reference, err)
		}
	}
	return nil
}

// ready waits until the node takes pods.
func (s *start) ready(ctx context.Context) error {
	return s.wait(ctx, "the node to be ready", func(ctx context.Context) error {
		node, err := s.client.CoreV1().Nodes().Get(ctx, s.Name, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("reading node %s: %w", s.Name, err)
		}
		return takesPods(node)
	})
}

func takesPods(node *corev1.Node) error {
	ready := slices.IndexFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == corev1.NodeReady })
	if ready < 0 {
		return errors.New("kubelet has not reported")
	}
	if c := node.Status.Conditions[ready]; c.Status != corev1.ConditionTrue {
		return fmt.Errorf("the node is not ready: %s", c.Message)
	}
	// The controller manager removes it a moment after the node is ready.
	for _, taint := range node.Spec.Taints {
		if taint.Key == corev1.TaintNodeNotReady || taint.Key == corev1.TaintNodeUnreachable {
			return fmt.Errorf("the node still has the taint %s", taint.Key)
		}
	}
	return nil
}

// wait polls until check succeeds, and gives up early when a program has ended.
func (s *start) wait(ctx context.Context, what string, check func(context.Context) error) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		for program, id := range s.state.Processes {
			if !id.Running() {
				return fmt.Errorf("%s ended while waiting for %s; the end of %s:\n%s", program, what, s.files.log(program), tail(s.files.log(program)))
			}
		}
		select {
		case <-ctx.Done():
			suspect := s.files.log(kubelet)
			return fmt.Errorf("waiting for %s: %w (%w); the end of %s:\n%s", what, err, context.Cause(ctx), suspect, tail(suspect))
		case <-ticker.C:
		}
	}
}

// tail returns the last lines of a log.
func tail(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
