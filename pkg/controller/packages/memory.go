// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// memory knows which deployments hold what was last applied to them, so that a
// look at a package costs no request while nothing changed. It is only a memory:
// what it does not know is applied again, which changes nothing.
type memory struct {
	mu    sync.Mutex
	known map[types.UID]string
}

func newMemory() *memory { return &memory{known: map[types.UID]string{}} }

// has is true when the intent was the last that was applied to the deployment,
// and nobody changed it since.
func (m *memory) has(live *pmv1alpha1.ClassDeployment, intent []byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known[live.UID] == digest(fingerprintOf(live), string(intent))
}

func (m *memory) note(live *pmv1alpha1.ClassDeployment, intent []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[live.UID] = digest(fingerprintOf(live), string(intent))
}

func (m *memory) forget(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, uid)
}

// fingerprintOf changes with everything of a deployment that a package may say:
// the spec, which its generation stands for, and metadata.
func fingerprintOf(deployment *pmv1alpha1.ClassDeployment) string {
	// None of these types can fail to be encoded.
	content, _ := json.Marshal(struct {
		Generation  int64
		Labels      map[string]string
		Annotations map[string]string
		Owners      []metav1.OwnerReference
	}{deployment.Generation, deployment.Labels, deployment.Annotations, deployment.OwnerReferences})
	return string(content)
}

func digest(parts ...string) string {
	sum := sha256.New()
	for _, part := range parts {
		sum.Write([]byte(part))
		sum.Write([]byte{0})
	}
	return hex.EncodeToString(sum.Sum(nil))
}
