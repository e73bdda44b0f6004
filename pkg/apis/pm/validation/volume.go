// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/mountpath"
	"oaas.io/oaas/pkg/apis/pm"
)

// validateVolumeMounts checks paths, and that each mount has one source. That names
// are there and occur once, and the lengths of all, are declared.
func validateVolumeMounts(mounts []pm.VolumeMount, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	seen := uniqueness{}
	for i := range mounts {
		mount, at := &mounts[i], at.Index(i)
		errs = append(errs, validateMountPath(mount.MountPath, at.Child("mountPath"), seen)...)
		errs = append(errs, validateSubPath(mount.SubPath, at.Child("subPath"))...)
		errs = append(errs, validateSource(mount, at)...)
	}
	return errs
}

func validateMountPath(value string, at *field.Path, seen uniqueness) field.ErrorList {
	if value == "" || len(value) > mountpath.MaxBytes {
		return nil
	}
	if reason := mountpath.Problem(value); reason != "" {
		return field.ErrorList{field.Invalid(at, value, reason)}
	}
	return seen.add(mountpath.Clean(value), at)
}

func validateSubPath(value string, at *field.Path) field.ErrorList {
	if len(value) > mountpath.MaxBytes {
		return nil
	}
	if reason := mountpath.PartProblem(value); reason != "" {
		return field.ErrorList{field.Invalid(at, value, reason)}
	}
	return nil
}

func validateSource(mount *pm.VolumeMount, at *field.Path) field.ErrorList {
	sources := 0
	for _, set := range []bool{mount.ConfigMap != nil, mount.Secret != nil, mount.PersistentVolumeClaim != nil, mount.EmptyDir != nil} {
		if set {
			sources++
		}
	}
	const remedy = "set exactly one of configMap, secret, persistentVolumeClaim and emptyDir: it is where the files come from"
	switch {
	case sources == 0:
		return field.ErrorList{field.Required(at, remedy)}
	case sources > 1:
		return field.ErrorList{field.Invalid(at, mount.Name, remedy)}
	case mount.EmptyDir != nil && mount.EmptyDir.SizeLimit != nil:
		return validateQuantity(*mount.EmptyDir.SizeLimit, at.Child("emptyDir", "sizeLimit"))
	default:
		return nil
	}
}
