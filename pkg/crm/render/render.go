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

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/crm/intent"
	"oaas.io/oaas/pkg/crm/odgm"
	"oaas.io/oaas/pkg/crm/template"
)

// TemplateDeployment is the name of the built-in template that runs each function
// as a Deployment behind a Service.
const TemplateDeployment = "deployment"

// Input is everything that decides how a record is run.
type Input struct {
	// Record to run. It exists on the cluster: its name, namespace and UID go into the
	// objects.
	Record *v1alpha1.DeploymentRecord
	// Template that was chosen for it.
	Template *template.Template
	// Environment that it runs in, every default filled in.
	Environment v1alpha1.EnvironmentConfigSpec
	// Grid is the record's data grid; nil where it has none.
	Grid *odgm.Grid
	// Absence tells why there is no grid.
	Absence odgm.Absence
	// Features are what the program may use.
	Features template.Features
	// MaxReplicas caps the replicas of each function, whatever the record asks for;
	// 0 means no cap.
	MaxReplicas int32
	// Served tells whether the cluster serves a kind; nil means that it serves all.
	Served func(schema.GroupKind) bool
	// Selection tells why the template was chosen; it is passed through.
	Selection *v1alpha1.TemplateSelection
}

// Rendering is what runs a record.
type Rendering struct {
	// Template is the name of the template that was used.
	Template string
	// TemplateHash is the revision of that template.
	TemplateHash string
	// Objects of the record, in the order in which to apply them.
	Objects []Object
	// Functions are the functions that have a workload, in the record's order.
	Functions []Function
	// Grid is the data grid; nil where the record has none.
	Grid *odgm.Grid
	// Absence tells why there is no grid.
	Absence odgm.Absence
	// Missing are the kinds that were left out because the cluster does not serve
	// them.
	Missing []schema.GroupVersionKind
	// Warnings tell where a bound of the environment changed what the record asks
	// for.
	Warnings []string
	// Selection tells why the template was chosen.
	Selection *v1alpha1.TemplateSelection
	// Admission notes what the record was let in with by the quotas of its environment;
	// it goes into the record's status.
	Admission *v1alpha1.Admission
}

// Object is one object of a record.
type Object struct {
	// Intent is the complete content of a server-side apply. It has the record as its
	// controller, and the hash of its content in v1alpha1.AnnotationSpecHash.
	Intent *unstructured.Unstructured
	// Function is the key of the function that the object was made for; empty for an
	// object that belongs to the record as a whole.
	Function string
	// Roles of the object for its function.
	Roles []v1alpha1.ManifestRole
	// Keep marks user data: the object outlives a change of the template, and goes
	// with the record only as its deletion policy says.
	Keep bool
	// Grid tells that the object belongs to the data grid.
	Grid bool
}

// Ref names an object in the record's namespace.
type Ref struct {
	schema.GroupVersionKind
	// Name of the object.
	Name string
}

// Function tells where a function of the record runs.
type Function struct {
	// Key is the function's key in its package.
	Key string
	// Name that the function's objects are called by.
	Name string
	// Replicas are the replicas that are wanted; the least number where an autoscaler
	// decides.
	Replicas int32
	// Autoscaled tells that an autoscaler decides on the number of replicas, between
	// Replicas and MaxReplicas.
	Autoscaled bool
	// MaxReplicas is the greatest number of replicas.
	MaxReplicas int32
	// Workload runs the function; nil where the template marks none.
	Workload *Ref
	// Endpoint is where the function is reached; nil where the template marks none.
	Endpoint *Ref
	// URL reaches the function inside the cluster; empty without an endpoint. The
	// status of an endpoint that has a url of its own wins.
	URL string
}

// Render returns the objects of a record.
func Render(in Input) (*Rendering, error) {
	record := in.Record
	if pinned := record.Spec.SelectedTemplate; pinned != "" && pinned != TemplateDeployment {
		return nil, fmt.Errorf("template %q is not known: leave selectedTemplate empty or set it to %q", pinned, TemplateDeployment)
	}
	rendering := &Rendering{Template: TemplateDeployment}
	for i := range record.Spec.FunctionContainers {
		f := newFunction(in, &record.Spec.FunctionContainers[i])
		objects := []runtime.Object{f.deployment(), f.service()}
		if f.replicas > 1 {
			objects = append(objects, f.disruptionBudget())
		}
		for _, object := range objects {
			wanted, err := stamped(object)
			if err != nil {
				return nil, fmt.Errorf("function %q: %w", f.container.FunctionKey, err)
			}
			rendering.Objects = append(rendering.Objects, Object{Intent: wanted, Function: f.container.FunctionKey})
		}
		rendering.Functions = append(rendering.Functions, Function{
			Key:         f.container.FunctionKey,
			Name:        f.name,
			Replicas:    f.replicas,
			MaxReplicas: f.replicas,
			Workload:    &Ref{GroupVersionKind: appsv1.SchemeGroupVersion.WithKind("Deployment"), Name: f.name},
			Endpoint:    &Ref{GroupVersionKind: corev1.SchemeGroupVersion.WithKind("Service"), Name: f.name},
			URL:         fmt.Sprintf("http://%s.%s.svc:%d", f.name, record.Namespace, servicePort),
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
