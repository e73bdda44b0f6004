// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Labels of records and of everything that is made for them. Values are the
// names as far as they fit a label; the full names are annotations of the same
// key.
const (
	// LabelDeploymentID is the id of the deployment unit.
	LabelDeploymentID = "oaas.io/deployment-id"
	// LabelPackage is the package of the class.
	LabelPackage = "oaas.io/package"
	// LabelClass is the class.
	LabelClass = "oaas.io/class"
	// LabelFunction is the function that a workload runs.
	LabelFunction = "oaas.io/function"
	// LabelTemplate is the template that an object was made from.
	LabelTemplate = "oaas.io/template"
	// LabelComponent tells parts of a record apart: ComponentFunction or
	// ComponentODGM.
	LabelComponent = "oaas.io/component"
	// LabelEnvironment is the environment that a unit runs in.
	LabelEnvironment = "oaas.io/environment"
	// LabelManagedBy names the program that looks after an object; everything that
	// the reconciler makes has FieldManagerReconciler here.
	LabelManagedBy = "app.kubernetes.io/managed-by"
)

// Annotations.
const (
	// AnnotationCorrelationID is the id under which the Package Manager logs the
	// call that last changed a record.
	AnnotationCorrelationID = "oaas.io/correlation-id"
	// AnnotationSpecHash is the hash of the intent that was last applied to a child.
	AnnotationSpecHash = "oaas.io/spec-hash"
	// AnnotationAppliedGeneration is the generation of a built-in template that the
	// program last made: another one is somebody else's.
	AnnotationAppliedGeneration = "oaas.io/applied-generation"
)

// Values of LabelComponent.
const (
	// ComponentFunction runs a function.
	ComponentFunction = "function"
	// ComponentODGM is the data grid.
	ComponentODGM = "odgm"
)

// FinalizerTemplateInUse keeps a template as long as records use it: without it they
// would all change to another one at once.
const FinalizerTemplateInUse = "oaas.io/template-in-use"

// FinalizerDeployment keeps a record until everything made for it is gone.
const FinalizerDeployment = "oaas.io/deployment-finalizer"

// Field managers, one for each actor that writes.
const (
	// FieldManagerReconciler owns the children and the status of records.
	FieldManagerReconciler = "oaas-crm"
	// FieldManagerReplicas owns the number of replicas of a child that the reconciler
	// no longer decides on, until whoever does, such as an autoscaler, changes it.
	FieldManagerReplicas = "oaas-crm-replicas"
	// FieldManagerTemplates owns the built-in templates, as far as nobody else edited
	// them.
	FieldManagerTemplates = "oaas-crm-templates"
	// FieldManagerServer owns the spec of records that arrive over gRPC.
	FieldManagerServer = "oaas-crm-server"
)
