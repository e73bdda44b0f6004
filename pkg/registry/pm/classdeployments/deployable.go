// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package classdeployments

import (
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"oaas.io/oaas/pkg/apis/pm"
	"oaas.io/oaas/pkg/apis/pm/dependency"
)

// deployable refuses a new deployment of a package that goes, and of a package, a
// class or a function that is disabled. The answer is 403, not 422: nothing is wrong
// with the object, and the same will be accepted once the package allows it. A
// package or a class that does not exist (yet) is no obstacle, the deployment waits
// for it and says so.
func deployable(d *pm.ClassDeployment, read func(name string) (*pm.Package, error)) error {
	p, err := read(d.Spec.PackageName)
	if err != nil || p == nil {
		return err
	}
	class := slices.IndexFunc(p.Spec.Classes, func(c pm.ClassDefinition) bool { return c.Key == d.Spec.ClassKey })
	switch {
	case p.DeletionTimestamp != nil:
		return forbidden(d, "package %q is being deleted: wait until it is gone and create it again", p.Name)
	case p.Spec.Disabled:
		return forbidden(d, "package %q is disabled and takes no new deployments: set its spec.disabled to false", p.Name)
	case class < 0:
		return nil
	case p.Spec.Classes[class].Disabled:
		return forbidden(d, "class %q of package %q is disabled and takes no new deployments: set its disabled to false", d.Spec.ClassKey, p.Name)
	}
	return bindsNothingDisabled(d, p, &p.Spec.Classes[class], read)
}

func bindsNothingDisabled(d *pm.ClassDeployment, p *pm.Package, class *pm.ClassDefinition, read func(name string) (*pm.Package, error)) error {
	own := functionsOf(p)
	others := map[string]*pm.Package{}
	for i := range class.FunctionBindings {
		key := class.FunctionBindings[i].FunctionKey
		if function, found := own[key]; found {
			if function.Disabled {
				return forbidden(d, "function %q of package %q is disabled, and class %q binds it: set its disabled to false", key, p.Name, class.Key)
			}
			continue
		}
		name, inner, ok := dependency.SplitFunctionKey(key)
		if !ok {
			continue
		}
		other, known := others[name]
		if !known {
			var err error
			if other, err = read(name); err != nil {
				return err
			}
			others[name] = other
		}
		if other == nil {
			continue
		}
		if other.Spec.Disabled {
			return forbidden(d, "package %q is disabled, and class %q binds its function %q: set its spec.disabled to false", name, class.Key, inner)
		}
		if slices.ContainsFunc(other.Spec.Functions, func(f pm.FunctionDefinition) bool { return f.Key == inner && f.Disabled }) {
			return forbidden(d, "function %q of package %q is disabled, and class %q binds it: set its disabled to false", inner, name, class.Key)
		}
	}
	return nil
}

func functionsOf(p *pm.Package) map[string]*pm.FunctionDefinition {
	functions := make(map[string]*pm.FunctionDefinition, len(p.Spec.Functions))
	for i := range p.Spec.Functions {
		functions[p.Spec.Functions[i].Key] = &p.Spec.Functions[i]
	}
	return functions
}

func forbidden(d *pm.ClassDeployment, format string, args ...any) error {
	return apierrors.NewForbidden(pm.Resource("classdeployments"), d.Name, fmt.Errorf(format, args...))
}
