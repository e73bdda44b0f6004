// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package render turns a deployment record into the Kubernetes objects that run
// it. It decides and does nothing else: the same record and options give the same
// objects, byte for byte.
package render

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/intent"
)

// TemplateDeployment is the name of the built-in template that runs each function
// as a Deployment behind a Service.
const TemplateDeployment = "deployment"

// Options are the bounds that the cluster puts on every record.
type Options struct {
	// MaxReplicas caps the replicas of each function, whatever the record asks for;
	// 0 means no cap.
	MaxReplicas int32
}

// Rendering is what runs a record.
type Rendering struct {
	// Template is the name of the template that was used.
	Template string
	// Objects are complete intents for server-side apply. Each has the record as
	// its controller, and the hash of its content in v1alpha1.AnnotationSpecHash.
	Objects []*unstructured.Unstructured
	// Functions are the functions that have a workload, in the record's order.
	Functions []Function
}

// Function tells where a function of the record runs.
type Function struct {
	// Key is the function's key in its package.
	Key string
	// Workload is the name of its Deployment and of its Service.
	Workload string
	// Replicas are the replicas that are wanted.
	Replicas int32
	// URL reaches the function inside the cluster.
	URL string
}

// Render returns the objects of a record that exists on the cluster: its name,
// namespace and UID go into them. It fails for a template that is not known.
func Render(record *v1alpha1.DeploymentRecord, options Options) (*Rendering, error) {
	if pinned := record.Spec.SelectedTemplate; pinned != "" && pinned != TemplateDeployment {
		return nil, fmt.Errorf("template %q is not known: leave selectedTemplate empty or set it to %q", pinned, TemplateDeployment)
	}
	rendering := &Rendering{Template: TemplateDeployment}
	for i := range record.Spec.FunctionContainers {
		f := newFunction(record, &record.Spec.FunctionContainers[i], options)
		objects := []runtime.Object{f.deployment(), f.service()}
		if f.replicas > 1 {
			objects = append(objects, f.disruptionBudget())
		}
		for _, object := range objects {
			wanted, err := stamped(object)
			if err != nil {
				return nil, fmt.Errorf("function %q: %w", f.container.FunctionKey, err)
			}
			rendering.Objects = append(rendering.Objects, wanted)
		}
		rendering.Functions = append(rendering.Functions, Function{
			Key:      f.container.FunctionKey,
			Workload: f.name,
			Replicas: f.replicas,
			URL:      fmt.Sprintf("http://%s.%s.svc:%d", f.name, record.Namespace, servicePort),
		})
	}
	return rendering, nil
}

// stamped makes an object into the content of a server-side apply that carries its
// own hash.
func stamped(object runtime.Object) (*unstructured.Unstructured, error) {
	wanted, err := intent.From(object)
	if err != nil {
		return nil, err
	}
	// Keys of maps are sorted by the encoder, so the hash is stable.
	encoded, err := json.Marshal(wanted.Object)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", wanted.GetKind(), err)
	}
	sum := sha256.Sum256(encoded)
	annotations := wanted.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha1.AnnotationSpecHash] = hex.EncodeToString(sum[:16])
	wanted.SetAnnotations(annotations)
	return wanted, nil
}

// ownerOf makes the record the controller of a child, so that the garbage
// collector removes the child even if this program never runs again.
func ownerOf(record *v1alpha1.DeploymentRecord) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion:         v1alpha1.SchemeGroupVersion.String(),
		Kind:               v1alpha1.KindDeploymentRecord,
		Name:               record.Name,
		UID:                record.UID,
		Controller:         new(true),
		BlockOwnerDeletion: new(true),
	}
}
