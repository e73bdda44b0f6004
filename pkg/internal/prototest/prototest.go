// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package prototest helps tests that go through all fields of messages.
package prototest

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Unset returns the paths of the fields that are not set in a message and in the
// messages in it, such as odgm.log. Tests of conversions use it to hold that their
// example has every field, also those that are added later.
func Unset(message proto.Message) []string { return unset(message.ProtoReflect(), "") }

func unset(message protoreflect.Message, path string) []string {
	var missing []string
	fields := message.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		at := strings.TrimPrefix(path+"."+string(field.Name()), ".")
		value := message.Get(field)
		switch {
		case !message.Has(field):
			// A field without presence that is false or 0 on purpose counts as missing,
			// too: a conversion that drops it would not be noticed.
			missing = append(missing, at)
		case field.IsMap():
		case field.IsList() && field.Message() != nil:
			missing = append(missing, unsetInAll(value.List(), at)...)
		case !field.IsList() && field.Message() != nil:
			missing = append(missing, unset(value.Message(), at)...)
		}
	}
	return missing
}

// unsetInAll are the fields that no message of a list has.
func unsetInAll(list protoreflect.List, path string) []string {
	times := map[string]int{}
	var inOrder []string
	for n := range list.Len() {
		for _, at := range unset(list.Get(n).Message(), path) {
			if times[at]++; times[at] == list.Len() {
				inOrder = append(inOrder, at)
			}
		}
	}
	return inOrder
}
