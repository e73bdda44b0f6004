// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// protobufMagic begins every object of Kubernetes in protobuf.
const protobufMagic = "k8s\x00"

// ContinueInJSON returns the token by which the next page of a list is asked for;
// empty in the last page. It looks for it instead of decoding the page: where the
// token stands differs between servers, and what they are compared in is not how
// fast a client decodes. No object may have a field of this name.
func ContinueInJSON(page []byte) string {
	const field = `"continue":"`
	at := bytes.LastIndex(page, []byte(field))
	if at < 0 {
		return ""
	}
	token, _, _ := bytes.Cut(page[at+len(field):], []byte(`"`))
	return string(token)
}

// ContinueInProtobuf is ContinueInJSON for a page in Kubernetes' protobuf.
func ContinueInProtobuf(page []byte) (string, error) {
	content, ok := bytes.CutPrefix(page, []byte(protobufMagic))
	if !ok {
		return "", fmt.Errorf("the page begins with %q: want Kubernetes' protobuf", page[:min(len(page), len(protobufMagic))])
	}
	var envelope runtime.Unknown
	if err := envelope.Unmarshal(content); err != nil {
		return "", fmt.Errorf("decoding the envelope of a page: %w", err)
	}
	// Every list has its metadata in field 1.
	const metadata = 1
	number, wireType, n := protowire.ConsumeTag(envelope.Raw)
	if err := protowire.ParseError(n); err != nil {
		return "", fmt.Errorf("decoding a page: %w", err)
	}
	if number != metadata || wireType != protowire.BytesType {
		return "", fmt.Errorf("the page begins with field %d: want a list's metadata", number)
	}
	encoded, n := protowire.ConsumeBytes(envelope.Raw[n:])
	if err := protowire.ParseError(n); err != nil {
		return "", fmt.Errorf("decoding the metadata of a page: %w", err)
	}
	var meta metav1.ListMeta
	if err := meta.Unmarshal(encoded); err != nil {
		return "", fmt.Errorf("decoding the metadata of a page: %w", err)
	}
	return meta.Continue, nil
}
