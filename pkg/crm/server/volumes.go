// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"oaas.io/oaas/pkg/apis/mountpath"
	"oaas.io/oaas/pkg/apis/oaas/v1alpha1"
	"oaas.io/oaas/pkg/apis/quantity"
	deploymentv1 "oaas.io/oaas/pkg/generated/grpc/oaas/deployment/v1"
)

const (
	// maxVolumeMounts is the most volumes of a function.
	maxVolumeMounts = 64
	// maxVolumeName is the longest name of a volume: a prefix keeps it apart from those
	// of the platform.
	maxVolumeName = 50
)

func validateVolumeMounts(at *field.Path, mounts []*deploymentv1.VolumeMount) field.ErrorList {
	if count := len(mounts); count > maxVolumeMounts {
		return field.ErrorList{field.TooMany(at, count, maxVolumeMounts)}
	}
	var problems field.ErrorList
	names, paths := sets.New[string](), sets.New[string]()
	for i, mount := range mounts {
		at := at.Index(i)
		problems = append(problems, validateLabel(at.Child("name"), mount.GetName())...)
		if name := mount.GetName(); len(name) > maxVolumeName && len(name) <= validation.DNS1123LabelMaxLength {
			problems = append(problems, field.TooLong(at.Child("name"), name, maxVolumeName))
		}
		problems = append(problems, validateOnce(names, at.Child("name"), mount.GetName())...)
		problems = append(problems, validateMountPath(at.Child("mount_path"), mount.GetMountPath())...)
		problems = append(problems, validateOnce(paths, at.Child("mount_path"), mountpath.Clean(mount.GetMountPath()))...)
		problems = append(problems, validatePath(at.Child("sub_path"), mount.GetSubPath(), mountpath.PartProblem)...)
		problems = append(problems, validateVolume(at, mount)...)
	}
	return problems
}

func validateMountPath(at *field.Path, text string) field.ErrorList {
	if text == "" {
		return field.ErrorList{field.Required(at, "must be an absolute path, such as /etc/models")}
	}
	return validatePath(at, text, mountpath.Problem)
}

func validatePath(at *field.Path, text string, problem func(string) string) field.ErrorList {
	if len(text) > mountpath.MaxBytes {
		return field.ErrorList{field.TooLong(at, "", mountpath.MaxBytes)}
	}
	if reason := problem(text); reason != "" {
		return field.ErrorList{field.Invalid(at, text, reason)}
	}
	return nil
}

func validateVolume(at *field.Path, mount *deploymentv1.VolumeMount) field.ErrorList {
	object := func(at *field.Path, name string) field.ErrorList {
		return invalidFor(at, name, validation.IsDNS1123Subdomain(name))
	}
	switch source := mount.GetSource().(type) {
	case *deploymentv1.VolumeMount_ConfigMap:
		return object(at.Child("config_map", "name"), source.ConfigMap.GetName())
	case *deploymentv1.VolumeMount_Secret:
		return object(at.Child("secret", "name"), source.Secret.GetName())
	case *deploymentv1.VolumeMount_PersistentVolumeClaim:
		return object(at.Child("persistent_volume_claim", "claim_name"), source.PersistentVolumeClaim.GetClaimName())
	case *deploymentv1.VolumeMount_EmptyDir:
		at := at.Child("empty_dir")
		problems := validateOneOf(at.Child("medium"), source.EmptyDir.GetMedium(), string(corev1.StorageMediumMemory))
		if limit := source.EmptyDir.GetSizeLimit(); limit != "" {
			_, more := parseQuantity(at.Child("size_limit"), limit)
			problems = append(problems, more...)
		}
		return problems
	default:
		return field.ErrorList{field.Required(at, "set one of config_map, secret, persistent_volume_claim and empty_dir: it is where the files come from")}
	}
}

// volumeMountsOf takes mounts that were validated. It sorts, so that the same unit
// always makes the same record.
func volumeMountsOf(messages []*deploymentv1.VolumeMount) []v1alpha1.VolumeMount {
	var mounts []v1alpha1.VolumeMount
	for _, m := range messages {
		mount := v1alpha1.VolumeMount{
			Name: m.GetName(), MountPath: mountpath.Clean(m.GetMountPath()), SubPath: mountpath.CleanPart(m.GetSubPath()), ReadOnly: m.GetReadOnly(),
		}
		switch source := m.GetSource().(type) {
		case *deploymentv1.VolumeMount_ConfigMap:
			mount.ConfigMap = objectVolumeOf(source.ConfigMap)
		case *deploymentv1.VolumeMount_Secret:
			mount.Secret = objectVolumeOf(source.Secret)
		case *deploymentv1.VolumeMount_PersistentVolumeClaim:
			mount.PersistentVolumeClaim = &v1alpha1.ClaimVolume{ClaimName: source.PersistentVolumeClaim.GetClaimName()}
		case *deploymentv1.VolumeMount_EmptyDir:
			mount.EmptyDir = &v1alpha1.EmptyVolume{Medium: corev1.StorageMedium(source.EmptyDir.GetMedium())}
			if size, err := quantity.Parse(source.EmptyDir.GetSizeLimit()); err == nil {
				mount.EmptyDir.SizeLimit = &size
			}
		}
		mounts = append(mounts, mount)
	}
	slices.SortFunc(mounts, func(a, b v1alpha1.VolumeMount) int { return cmp.Compare(a.Name, b.Name) })
	return mounts
}

func objectVolumeOf(source *deploymentv1.ObjectVolume) *v1alpha1.ObjectVolume {
	return &v1alpha1.ObjectVolume{Name: source.GetName(), Optional: source.GetOptional()}
}

func volumeMountMessages(mounts []v1alpha1.VolumeMount) []*deploymentv1.VolumeMount {
	var messages []*deploymentv1.VolumeMount
	for i := range mounts {
		mount := &mounts[i]
		message := &deploymentv1.VolumeMount{Name: mount.Name, MountPath: mount.MountPath, SubPath: mount.SubPath, ReadOnly: mount.ReadOnly}
		switch {
		case mount.ConfigMap != nil:
			message.Source = &deploymentv1.VolumeMount_ConfigMap{ConfigMap: objectVolumeMessage(mount.ConfigMap)}
		case mount.Secret != nil:
			message.Source = &deploymentv1.VolumeMount_Secret{Secret: objectVolumeMessage(mount.Secret)}
		case mount.PersistentVolumeClaim != nil:
			message.Source = &deploymentv1.VolumeMount_PersistentVolumeClaim{
				PersistentVolumeClaim: &deploymentv1.ClaimVolume{ClaimName: mount.PersistentVolumeClaim.ClaimName},
			}
		case mount.EmptyDir != nil:
			source := &deploymentv1.EmptyVolume{Medium: string(mount.EmptyDir.Medium)}
			if mount.EmptyDir.SizeLimit != nil {
				source.SizeLimit = mount.EmptyDir.SizeLimit.String()
			}
			message.Source = &deploymentv1.VolumeMount_EmptyDir{EmptyDir: source}
		}
		messages = append(messages, message)
	}
	return messages
}

func objectVolumeMessage(source *v1alpha1.ObjectVolume) *deploymentv1.ObjectVolume {
	return &deploymentv1.ObjectVolume{Name: source.Name, Optional: source.Optional}
}
