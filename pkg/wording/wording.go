// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

// Package wording keeps texts for people within what is read, and what is stored.
// A status is refused as a whole for one message that is too long, and an Event for
// its note: then nobody hears of anything.
package wording

import (
	"fmt"
	"strings"
)

const (
	// MessageRoom is the room for the message of a condition, in bytes. Kubernetes
	// takes up to 32 KiB, and an object has several.
	MessageRoom = 4096
	// NoteRoom is the room for the note of an Event, in bytes: what Kubernetes takes.
	NoteRoom = 1024
	// ShownNames is how many names a message lists.
	ShownNames = 8

	ellipsis = "…"
)

// Cut returns a text of at most the given number of bytes, which must have room for
// a character. A text that is longer ends in an ellipsis.
func Cut(text string, room int) string {
	if len(text) <= room {
		return text
	}
	return strings.ToValidUTF8(text[:room-len(ellipsis)], "") + ellipsis
}

// Names lists the first of many names, and says how many more there are.
func Names(names []string) string { return First(names, len(names)) }

// First lists the first names of so many, and says how many more there are. What
// holds only the first may be given.
func First(names []string, all int) string {
	shown := names[:min(len(names), ShownNames)]
	text := strings.Join(shown, ", ")
	if more := all - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// Count says how many of something there are, such as 1 unit or 2 units.
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
