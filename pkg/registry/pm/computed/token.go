// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package computed

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	tokenVersion = "pm.oaas.io/v1"
	// maxTokenLength bounds what is decoded of a token, in bytes. A genuine one holds
	// a namespace, a name and a key, which are far shorter.
	maxTokenLength = 4096
	// NewestRevision in a token continues with what there is now, because what the
	// list began with is gone.
	NewestRevision int64 = -1
)

// Token says where the next page of a list begins.
type Token struct {
	// Revision is the version of the list that is continued, or NewestRevision.
	Revision int64
	// After is the position of the last object that was seen: as many parts as the
	// source of the list orders its objects by.
	After []string
}

type encodedToken struct {
	Version  string   `json:"v"`
	Revision int64    `json:"rv"`
	After    []string `json:"after"`
}

// Encode writes the token the way that clients see it.
func (t Token) Encode() string {
	// A struct of a string, a number and strings always has a JSON form.
	data, _ := json.Marshal(encodedToken{Version: tokenVersion, Revision: t.Revision, After: t.After})
	return base64.RawURLEncoding.EncodeToString(data)
}

// DecodeToken reads a token that a client sent, whose position must have the
// given number of parts. It returns a bad request for everything that Encode
// cannot have written.
func DecodeToken(text string, parts int) (Token, error) {
	if len(text) > maxTokenLength {
		return Token{}, badToken(fmt.Sprintf("it is longer than %d bytes", maxTokenLength))
	}
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return Token{}, badToken("it is not base64url")
	}
	var decoded encodedToken
	if err := json.Unmarshal(data, &decoded); err != nil {
		return Token{}, badToken("it does not hold a position")
	}
	switch {
	case decoded.Version != tokenVersion:
		return Token{}, badToken("it is not of this server's version")
	case decoded.Revision < NewestRevision || decoded.Revision == 0:
		return Token{}, badToken("it names no resource version")
	case len(decoded.After) != parts:
		return Token{}, badToken("its position is of another resource")
	}
	return Token{Revision: decoded.Revision, After: decoded.After}, nil
}

func badToken(why string) error {
	return apierrors.NewBadRequest("the continue token is not valid, " + why + ": start the list again without it")
}
