// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package scale

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"oaas.io/oaas/test/bench/measure"
)

// ListKind is a way to ask for all objects.
type ListKind string

// The kinds of lists.
const (
	// Full asks for everything in one answer, as of now.
	Full ListKind = "full list"
	// Paged asks for page after page.
	Paged ListKind = "paged list"
	// Cached asks for everything as the server has it in its cache.
	Cached ListKind = "list from cache"
)

// ListKinds returns all kinds.
func ListKinds() []ListKind { return []ListKind{Full, Paged, Cached} }

// initialEventsEnd marks the bookmark that follows the last initial event of a
// watch.
const initialEventsEnd = "k8s.io/initial-events-end"

// Reading is one list, or the start of one watch.
type Reading struct {
	// Took is the time from the request to the last byte.
	Took time.Duration
	// Bytes is what the client has to decode.
	Bytes int64
	// Wire is what came through the connection, compressed if the server does that.
	Wire int64
}

// connection is a client that sees bytes.
type connection struct {
	http *http.Client
	base *url.URL
	way  *Way
}

// connect makes a client of a way. Clients of the same configuration share a
// connection; Go's HTTP/2 sends all requests through it.
func connect(way *Way, config *rest.Config) (*connection, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("making a client of %s: %w", way.Name, err)
	}
	base, err := url.Parse(config.Host)
	if err != nil {
		return nil, fmt.Errorf("address of %s: %w", way.Name, err)
	}
	return &connection{http: client, base: base, way: way}, nil
}

func mediaType(e Encoding) string {
	if e == Protobuf {
		return runtime.ContentTypeProtobuf
	}
	return runtime.ContentTypeJSON
}

// get asks for a path. The answer's encoding is the one that was asked for, or
// that is the error.
func (c *connection) get(ctx context.Context, path string, query url.Values, e Encoding) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath(path).String()+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", mediaType(e))
	// Said by hand, it leaves the decompression, and so the count, to us.
	request.Header.Set("Accept-Encoding", "gzip")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, refusal(response)
	}
	if got := response.Header.Get("Content-Type"); !strings.HasPrefix(got, mediaType(e)) {
		return nil, errors.Join(fmt.Errorf("the answer is %q, not %q", got, mediaType(e)), response.Body.Close())
	}
	return response, nil
}

func refusal(response *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	return errors.Join(fmt.Errorf("the server answered %s: %s", response.Status, text), err, response.Body.Close())
}

// counter counts what is read through it.
type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// read sends one request and passes the decompressed answer on.
func (c *connection) read(ctx context.Context, path string, query url.Values, e Encoding, to func(io.Reader) (int64, error)) (Reading, error) {
	begin := time.Now()
	response, err := c.get(ctx, path, query, e)
	if err != nil {
		return Reading{}, err
	}
	defer func() { _ = response.Body.Close() }() // what matters was read
	wire := &counter{Reader: response.Body}
	var body io.Reader = wire
	if response.Header.Get("Content-Encoding") == "gzip" {
		if body, err = gzip.NewReader(wire); err != nil {
			return Reading{}, fmt.Errorf("decompressing: %w", err)
		}
	}
	n, err := to(body)
	if err != nil {
		return Reading{}, err
	}
	return Reading{Took: time.Since(begin), Bytes: n, Wire: wire.n}, nil
}

func discard(r io.Reader) (int64, error) { return io.Copy(io.Discard, r) }

// list asks for all objects.
func (c *connection) list(ctx context.Context, kind ListKind, e Encoding, pageSize int) (Reading, error) {
	switch kind {
	case Full:
		return c.read(ctx, c.way.path(), nil, e, discard)
	case Cached:
		return c.read(ctx, c.way.path(), url.Values{"resourceVersion": {"0"}}, e, discard)
	case Paged:
		return c.pages(ctx, e, pageSize)
	}
	return Reading{}, fmt.Errorf("there is no %q", kind)
}

func (c *connection) pages(ctx context.Context, e Encoding, size int) (Reading, error) {
	var (
		total Reading
		token string
	)
	for {
		query := url.Values{"limit": {strconv.Itoa(size)}}
		if token != "" {
			query.Set("continue", token)
		}
		var page bytes.Buffer
		one, err := c.read(ctx, c.way.path(), query, e, page.ReadFrom)
		if err != nil {
			return Reading{}, err
		}
		total.Took += one.Took
		total.Bytes += one.Bytes
		total.Wire += one.Wire
		if token, err = continueToken(page.Bytes(), e); err != nil || token == "" {
			return total, err
		}
	}
}

// startWatch watches until all objects have come as initial events.
func (c *connection) startWatch(ctx context.Context, e Encoding) (Reading, error) {
	query := url.Values{
		"watch":                {"1"},
		"sendInitialEvents":    {"true"},
		"allowWatchBookmarks":  {"true"},
		"resourceVersionMatch": {"NotOlderThan"},
	}
	return c.read(ctx, c.way.path(), query, e, readToInitialEventsEnd)
}

// resourceVersion of the collection now.
func (c *connection) resourceVersion(ctx context.Context) (string, error) {
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}
	_, err := c.read(ctx, c.way.path(), url.Values{"limit": {"1"}}, JSON, func(r io.Reader) (int64, error) {
		return 0, json.NewDecoder(r).Decode(&list)
	})
	if err != nil {
		return "", fmt.Errorf("asking for the resource version: %w", err)
	}
	return list.Metadata.ResourceVersion, nil
}

// send sends a body and reads the answer away.
func (c *connection) send(ctx context.Context, method, path, contentType string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, method, c.base.JoinPath(path).String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Accept", runtime.ContentTypeJSON)
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return refusal(response)
	}
	_, err = discard(response.Body)
	return errors.Join(err, response.Body.Close())
}

func continueToken(page []byte, e Encoding) (string, error) {
	if e == Protobuf {
		return measure.ContinueInProtobuf(page)
	}
	return measure.ContinueInJSON(page), nil
}

func readToInitialEventsEnd(r io.Reader) (int64, error) {
	return measure.ReadUntil(r, initialEventsEnd)
}
