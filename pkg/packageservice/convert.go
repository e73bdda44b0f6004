// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package packageservice

import (
	"oaas.io/oaas/pkg/apis/pm"
	packagev1 "oaas.io/oaas/pkg/generated/grpc/oaas/package/v1"
)

// packageOf is a package as clusters read it.
func packageOf(p *pm.Package) *packagev1.Package {
	message := &packagev1.Package{
		Namespace: p.Namespace, Name: p.Name, Uid: string(p.UID), Generation: p.Generation,
		Version: p.Spec.Version, Disabled: p.Spec.Disabled,
	}
	for _, dependency := range p.Spec.Dependencies {
		message.Dependencies = append(message.Dependencies, &packagev1.Dependency{Name: dependency.Name, Version: dependency.Version})
	}
	for i := range p.Spec.Classes {
		message.Classes = append(message.Classes, classOf(&p.Spec.Classes[i]))
	}
	for i := range p.Spec.Functions {
		message.Functions = append(message.Functions, functionOf(&p.Spec.Functions[i]))
	}
	return message
}

func classOf(class *pm.ClassDefinition) *packagev1.Class {
	message := &packagev1.Class{Key: class.Key, Disabled: class.Disabled, State: stateOf(class.StateSpec), Options: class.Options}
	for _, binding := range class.FunctionBindings {
		message.Bindings = append(message.Bindings, &packagev1.FunctionBinding{
			Name: binding.Name, FunctionKey: binding.FunctionKey, AccessModifier: string(binding.AccessModifier),
			Stateless: binding.Stateless, Parameters: binding.Parameters,
			TriggerOnStateChange: binding.TriggerOnStateChange, AsyncExecution: binding.AsyncExecution,
		})
	}
	return message
}

func stateOf(spec *pm.StateSpec) *packagev1.StateSpec {
	if spec == nil {
		return nil
	}
	message := &packagev1.StateSpec{
		DefaultProvider: spec.DefaultProvider, ConsistencyModel: string(spec.ConsistencyModel), Persistent: spec.Persistent,
		SerializationFormat: spec.SerializationFormat, RequiresSingleton: spec.RequiresSingleton, SupportsBatchOperations: spec.SupportsBatchOperations,
	}
	for _, key := range spec.KeySpecs {
		message.Keys = append(message.Keys, &packagev1.KeySpec{Name: key.Name, Type: key.Type})
	}
	return message
}

func functionOf(function *pm.FunctionDefinition) *packagev1.Function {
	message := &packagev1.Function{Key: function.Key, Type: string(function.Type), Disabled: function.Disabled, Config: function.Config}
	if provision := function.Provision; provision != nil {
		message.Image, message.Port = provision.Image, provision.Port
		message.WasmModuleUrl, message.WasmFuel = provision.WasmModuleURL, provision.WasmFuel
	}
	return message
}
