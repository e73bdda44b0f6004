// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package odgm

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
)

type (
	ports  struct{}
	events struct{}
)

func plan(in Input) (*Grid, error) {
	return &Grid{Mode: in.Mode, Image: imageOf(in), Name: objectName(in.Record.Name, suffixGrid), in: in}, nil
}

func (g *Grid) functionEnv(string) []corev1.EnvVar { return nil }
func (g *Grid) sidecar(string) (*Sidecar, bool)    { return nil, g.Mode == v1alpha1.ODGMSidecar }
func (g *Grid) objects() []runtime.Object          { return nil }
func (g *Grid) selector() map[string]string        { return nil }
