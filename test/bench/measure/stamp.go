// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

const (
	stampMarker = "stamped-at:"
	stampDigits = 19
	// scanBuffer is large enough that a busy watch is read in few pieces.
	scanBuffer = 256 << 10
)

// Stamp writes a time, counted from any fixed moment, in a form that ReadStamps
// finds in a stream of any encoding that keeps strings as they are.
func Stamp(at time.Duration) string {
	return fmt.Sprintf("%s%0*d", stampMarker, stampDigits, int64(at))
}

// ReadStamps calls seen for each stamp in the stream, in their order, until it
// ends. The end of the stream is no error. Nothing is decoded: a client that
// follows a hundred watches would otherwise mostly measure itself.
func ReadStamps(stream io.Reader, seen func(time.Duration)) error {
	_, err := scan(stream, stampMarker, stampDigits, func(digits []byte) (bool, error) {
		at, err := strconv.ParseInt(string(digits), 10, 64)
		if err != nil {
			return true, fmt.Errorf("reading a stamp: %w", err)
		}
		seen(time.Duration(at))
		return false, nil
	})
	return err
}

// ReadUntil reads the stream up to the first occurrence of a marker and returns
// how many bytes it read, which may be more than up to there. It is an error if
// the stream ends without it.
func ReadUntil(stream io.Reader, marker string) (int64, error) {
	found := false
	read, err := scan(stream, marker, 0, func([]byte) (bool, error) {
		found = true
		return true, nil
	})
	if err == nil && !found {
		err = fmt.Errorf("the stream ended after %d bytes without %q", read, marker)
	}
	return read, err
}

// scan calls found with the bytes that follow each occurrence of the marker, as
// many as it is told, until found says that it has enough.
func scan(stream io.Reader, marker string, following int, found func([]byte) (enough bool, err error)) (read int64, err error) {
	buffer := make([]byte, scanBuffer)
	kept := 0
	for {
		n, readErr := stream.Read(buffer[kept:])
		read += int64(n)
		rest := buffer[:kept+n]
		for {
			at := bytes.Index(rest, []byte(marker))
			if at < 0 {
				// A marker may be cut by the end of what was read.
				rest = rest[len(rest)-min(len(rest), len(marker)-1):]
				break
			}
			end := at + len(marker) + following
			if end > len(rest) {
				rest = rest[at:]
				break
			}
			if enough, err := found(rest[at+len(marker) : end]); enough || err != nil {
				return read, err
			}
			rest = rest[end:]
		}
		kept = copy(buffer, rest)
		if errors.Is(readErr, io.EOF) {
			return read, nil
		}
		if readErr != nil {
			return read, readErr
		}
	}
}
