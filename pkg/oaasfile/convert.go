// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package oaasfile

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	pmv1alpha1 "oaas.io/oaas/pkg/apis/pm/v1alpha1"
)

// convert turns a decoded document into API objects and checks what only the
// whole document can tell. Problems go to the decoder, which knows the lines.
func convert(d *decoder, doc *packageDoc) []Source {
	var out []Source
	publishes := len(doc.Classes) > 0 || len(doc.Functions) > 0
	switch {
	case publishes:
		if doc.Name == "" {
			d.refuse(d.at("name"), "missing: a package needs a name")
		} else if problem := nameProblem(doc.Name); problem != "" {
			d.refuse(d.at("name"), "%q %s", doc.Name, problem)
		}
		out = append(out, Source{Object: toPackage(doc), Line: d.at("").line, locate: locatePlain(d, "")})
	case len(doc.Deployments) == 0 && len(d.problems) > 0:
		// What was refused may have been the content.
	case len(doc.Deployments) == 0:
		d.refuse(d.at(""), "neither classes nor functions nor deployments: there is nothing to deploy, and an empty package is never published")
	default:
		warnIgnored(d, doc)
	}

	names := map[string]string{}
	for i := range doc.Deployments {
		deployment := &doc.Deployments[i]
		path := deploymentPath(i)
		checkPackageName(d, doc, deployment, path)
		name := DeploymentName(deployment.Key)
		switch other, taken := names[name]; {
		case deployment.Key == "":
			// Reported as missing by the decoder.
		case name == "":
			d.refuse(d.at(path+".key"), "%q has no letter or digit to make a name of", deployment.Key)
		case taken && other == deployment.Key:
			d.refuse(d.at(path+".key"), "%q stands twice: rename or remove one of them", other)
		case taken:
			d.refuse(d.at(path+".key"), "%q and %q both get the name %s: rename one of them", other, deployment.Key, name)
		}
		names[name] = deployment.Key
		out = append(out, Source{Object: toClassDeployment(doc, deployment, name), Line: d.at(path).line, locate: locatePlain(d, path)})
	}
	return out
}

func checkPackageName(d *decoder, doc *packageDoc, deployment *deploymentDoc, path string) {
	path += ".package_name"
	if deployment.PackageName == "" {
		if doc.Name == "" {
			d.refuse(d.at(path), "missing: name the package here or at the top of the document")
		} else if problem := nameProblem(doc.Name); problem != "" && len(doc.Classes)+len(doc.Functions) == 0 {
			d.refuse(d.at("name"), "%q %s", doc.Name, problem)
		}
		return
	}
	if problem := nameProblem(deployment.PackageName); problem != "" {
		d.refuse(d.at(path), "%q %s", deployment.PackageName, problem)
	}
}

// warnIgnored names the fields of a package in a document that only deploys.
func warnIgnored(d *decoder, doc *packageDoc) {
	set := []struct {
		field string
		isSet bool
	}{
		{"version", doc.Version != ""},
		{"metadata.author", doc.Metadata.Author != ""},
		{"metadata.description", doc.Metadata.Description != ""},
		{"metadata.tags", len(doc.Metadata.Tags) > 0},
		{"dependencies", len(doc.Dependencies) > 0},
		{"disabled", doc.Disabled},
	}
	for _, f := range set {
		if f.isSet {
			d.warn(d.at(f.field), "ignored: a document without classes and functions leaves the package as it is")
		}
	}
}

func toPackage(doc *packageDoc) *pmv1alpha1.Package {
	out := &pmv1alpha1.Package{
		TypeMeta:   typeMeta("Package"),
		ObjectMeta: metav1.ObjectMeta{Name: doc.Name},
		Spec: pmv1alpha1.PackageSpec{
			Version:     doc.Version,
			Author:      doc.Metadata.Author,
			Description: doc.Metadata.Description,
			Tags:        doc.Metadata.Tags,
			Disabled:    doc.Disabled,
		},
	}
	for _, name := range doc.Dependencies {
		out.Spec.Dependencies = append(out.Spec.Dependencies, pmv1alpha1.PackageDependency{Name: name})
	}
	for i := range doc.Classes {
		out.Spec.Classes = append(out.Spec.Classes, toClass(&doc.Classes[i]))
	}
	for i := range doc.Functions {
		out.Spec.Functions = append(out.Spec.Functions, toFunction(&doc.Functions[i]))
	}
	return out
}

func toClass(doc *classDoc) pmv1alpha1.ClassDefinition {
	out := pmv1alpha1.ClassDefinition{
		Key:         doc.Key,
		Description: doc.Description,
		Disabled:    doc.Disabled,
		Options:     doc.Options,
	}
	if s := doc.StateSpec; s != nil {
		out.StateSpec = &pmv1alpha1.StateSpec{
			DefaultProvider:         s.DefaultProvider,
			ConsistencyModel:        s.ConsistencyModel,
			Persistent:              s.Persistent,
			SerializationFormat:     s.SerializationFormat,
			RequiresSingleton:       s.RequiresSingleton,
			SupportsBatchOperations: s.SupportsBatchOperations,
		}
		for _, key := range s.KeySpecs {
			out.StateSpec.KeySpecs = append(out.StateSpec.KeySpecs, pmv1alpha1.KeySpec{Name: key.Name, Type: key.KeyType})
		}
	}
	for _, b := range doc.FunctionBindings {
		access := b.AccessModifier
		if access == "" {
			access = pmv1alpha1.AccessPublic
		}
		out.FunctionBindings = append(out.FunctionBindings, pmv1alpha1.FunctionBinding{
			Name:                 b.Name,
			FunctionKey:          b.FunctionKey,
			AccessModifier:       access,
			Stateless:            b.Stateless,
			Parameters:           b.Parameters,
			TriggerOnStateChange: b.TriggerOnStateChange,
			AsyncExecution:       b.AsyncExecution,
		})
	}
	return out
}

func toFunction(doc *functionDoc) pmv1alpha1.FunctionDefinition {
	out := pmv1alpha1.FunctionDefinition{
		Key:         doc.Key,
		Type:        doc.FunctionType,
		Description: doc.Description,
		Disabled:    doc.Disabled,
		Config:      doc.Config,
	}
	for _, variable := range doc.SecretConfig {
		out.SecretConfig = append(out.SecretConfig, pmv1alpha1.SecretVariable{
			Name: variable.Name, SecretName: variable.SecretName, Key: variable.Key, Optional: variable.Optional,
		})
	}
	p := doc.ProvisionConfig
	if p == nil {
		return out
	}
	if out.Type == "" && p.WasmModuleURL != "" && p.ContainerImage == "" {
		out.Type = pmv1alpha1.FunctionWasm
	}
	out.Provision = &pmv1alpha1.FunctionProvision{
		Image:          p.ContainerImage,
		WasmModuleURL:  p.WasmModuleURL,
		WasmFuel:       p.WasmFuel,
		Port:           p.Port,
		MaxConcurrency: p.MaxConcurrency,
		NeedHTTP2:      p.NeedHTTP2,
		MinScale:       p.MinScale,
		MaxScale:       p.MaxScale,
		Resources: pmv1alpha1.FunctionResources{
			Requests: quantities(p.CPURequest, p.MemoryRequest),
			Limits:   quantities(p.CPULimit, p.MemoryLimit),
		},
	}
	for i := range p.VolumeMounts {
		out.Provision.VolumeMounts = append(out.Provision.VolumeMounts, toVolumeMount(&p.VolumeMounts[i]))
	}
	return out
}

func toVolumeMount(doc *volumeDoc) pmv1alpha1.VolumeMount {
	out := pmv1alpha1.VolumeMount{Name: doc.Name, MountPath: doc.MountPath, SubPath: doc.SubPath, ReadOnly: doc.ReadOnly}
	if o := doc.ConfigMap; o != nil {
		out.ConfigMap = &pmv1alpha1.ObjectVolume{Name: o.Name, Optional: o.Optional}
	}
	if o := doc.Secret; o != nil {
		out.Secret = &pmv1alpha1.ObjectVolume{Name: o.Name, Optional: o.Optional}
	}
	if c := doc.PersistentVolumeClaim; c != nil {
		out.PersistentVolumeClaim = &pmv1alpha1.ClaimVolume{ClaimName: c.ClaimName}
	}
	if e := doc.EmptyDir; e != nil {
		out.EmptyDir = &pmv1alpha1.EmptyVolume{Medium: e.Medium, SizeLimit: e.SizeLimit}
	}
	return out
}

func quantities(cpu, memory *resource.Quantity) map[string]resource.Quantity {
	out := map[string]resource.Quantity{}
	if cpu != nil {
		out["cpu"] = *cpu
	}
	if memory != nil {
		out["memory"] = *memory
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func toClassDeployment(doc *packageDoc, deployment *deploymentDoc, name string) *pmv1alpha1.ClassDeployment {
	packageName := deployment.PackageName
	if packageName == "" {
		packageName = doc.Name
	}
	out := &pmv1alpha1.ClassDeployment{
		TypeMeta:   typeMeta("ClassDeployment"),
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: pmv1alpha1.ClassDeploymentSpec{
			PackageName:        packageName,
			ClassKey:           deployment.ClassKey,
			TargetEnvironments: deployment.TargetEnvs,
			TargetClusters:     deployment.TargetClusters,
			NFR: pmv1alpha1.NFRRequirements{
				MinThroughputRPS: deployment.NFRRequirements.MinThroughputRPS,
				MaxLatencyMs:     deployment.NFRRequirements.MaxLatencyMs,
				Availability:     string(deployment.NFRRequirements.Availability),
			},
			Templates:      deployment.EnvTemplates,
			DeletionPolicy: deployment.DeletionPolicy,
		},
	}
	if name != deployment.Key {
		out.Annotations = map[string]string{KeyAnnotation: deployment.Key}
	}
	if target := deployment.NFRRequirements.CPUUtilizationTarget; target != nil {
		out.Spec.NFR.CPUUtilizationTarget = new(int32(*target))
	}
	if o := deployment.ODGM; o != nil {
		out.Spec.ODGM = &pmv1alpha1.ODGMSpec{
			Collections:    o.Collections,
			PartitionCount: o.PartitionCount,
			ReplicaCount:   o.ReplicaCount,
			ShardType:      o.ShardType,
			Log:            o.Log,
			Options:        o.Options,
			ZenohMode:      o.ZenohMode,
		}
	}
	if t := deployment.Telemetry; t != nil {
		out.Spec.Telemetry = &pmv1alpha1.TelemetrySpec{
			Enabled:            t.Enabled,
			Traces:             t.Traces,
			Metrics:            t.Metrics,
			Logs:               t.Logs,
			SamplingRate:       string(t.SamplingRate),
			ServiceName:        t.ServiceName,
			ResourceAttributes: t.ResourceAttributes,
		}
	}
	return out
}

func typeMeta(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: pmv1alpha1.SchemeGroupVersion.String(), Kind: kind}
}

var (
	_ runtime.Object = (*pmv1alpha1.Package)(nil)
	_ runtime.Object = (*pmv1alpha1.ClassDeployment)(nil)
)
