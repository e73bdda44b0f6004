// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/pm"
)

// validateDeployments checks the deployments that come with a package: each must
// be a ClassDeployment that the API would take, of a class of this package.
func validateDeployments(deployments []pm.PackageDeployment, packageName string, classes uniqueness, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range deployments {
		deployment, deploymentPath := &deployments[i], path.Index(i)
		specPath := deploymentPath.Child("spec")
		errs = append(errs, metav1validation.ValidateLabels(deployment.Labels, deploymentPath.Child("labels"))...)
		errs = append(errs, apivalidation.ValidateAnnotations(deployment.Annotations, deploymentPath.Child("annotations"))...)

		if named := deployment.Spec.PackageName; named != "" && named != packageName {
			errs = append(errs, field.Invalid(specPath.Child("packageName"), named,
				fmt.Sprintf("must be this package, %q: leave it out, or make a ClassDeployment of its own", packageName)))
		}
		errs = append(errs, validateClassDeploymentSpec(&deployment.Spec, specPath)...)
		if key := deployment.Spec.ClassKey; validKey(key) {
			if _, known := classes[key]; !known {
				errs = append(errs, field.Invalid(specPath.Child("classKey"), key, "is not a class of this package: declare it under spec.classes"))
			}
		}
	}
	return errs
}

// validateDeploymentsUpdate keeps a deployment on its class, as the
// ClassDeployment that is made from it must stay on it.
func validateDeploymentsUpdate(updated, old []pm.PackageDeployment, path *field.Path) field.ErrorList {
	before := make(map[string]string, len(old))
	for i := range old {
		before[old[i].Name] = old[i].Spec.ClassKey
	}
	var errs field.ErrorList
	for i := range updated {
		class, found := before[updated[i].Name]
		if found && class != updated[i].Spec.ClassKey {
			errs = append(errs, field.Invalid(path.Index(i).Child("spec", "classKey"), updated[i].Spec.ClassKey, fmt.Sprintf(
				"the class of a deployment cannot change, it is %q: rename the deployment, which removes the old one and makes a new one", class)))
		}
	}
	return errs
}
