package proxy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

// A source asks a registry for its listing on the gate's own behalf.
type source struct {
	pool *upstream.Pool
	// small says that the registry takes no page of a thousand (distribution
	// catalog.maxentries), and chooses the size itself.
	small *atomic.Bool
}

func newSource(pool *upstream.Pool) source { return source{pool, new(atomic.Bool)} }

// A leaf is a page of a registry's listing.
type leaf struct {
	names []string
	more  bool
}

// Page is listing.Source's. It asks another server of the registry if one
// fails, as with any read.
func (s source) Page(ctx context.Context, last string) (names []string, more bool, err error) {
	var failed []*upstream.Endpoint
	for {
		ep, done, none := s.pool.Pick(upstream.Want{Not: failed})
		if none != nil {
			return nil, false, cmp.Or(err, none)
		}
		var l leaf
		var reason string
		l, reason, err = s.ask(ctx, ep, last)
		done()
		failed = append(failed, ep)
		if reason == "" || ctx.Err() != nil || len(failed) == mostTries || !s.pool.Several() || !s.pool.Again(reason) {
			return l.names, l.more, err
		}
	}
}

// pageTime bounds how long the body of a page may take.
const pageTime = time.Minute

// ask gets a page from one server. The reason is one for which another may be
// asked; "" if there is none. A registry without a catalog answers 404 or 405;
// one that does so in the middle of it has lost the rest.
func (s source) ask(ctx context.Context, ep *upstream.Endpoint, last string) (l leaf, reason string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	q := url.Values{}
	if !s.small.Load() {
		q.Set("n", fmt.Sprint(mostPage))
	}
	if last != "" {
		q.Set("last", last)
	}
	out := (&http.Request{Method: http.MethodGet, URL: ep.Target("/v2/_catalog", q.Encode()), Header: http.Header{}}).WithContext(ctx)
	res, err := ep.Send(out, oci.Grant{}, []oci.Access{oci.CatalogAccess()})
	if err != nil {
		return l, notSent(err), err
	}
	defer res.Body.Close()
	defer time.AfterFunc(pageTime, cancel).Stop()
	switch status := res.StatusCode; {
	case status == http.StatusOK:
		l.more = res.Header.Get("Link") != ""
		l.names, reason, err = readCatalog(res.Body)
		return l, reason, err
	case status == http.StatusBadRequest && q.Has("n"):
		s.small.Store(true)
		return s.ask(ctx, ep, last)
	case last == "" && (status == http.StatusNotFound || status == http.StatusMethodNotAllowed):
		return l, "", nil
	case upstream.Sick(status):
		reason = upstream.BadStatus
	}
	return l, reason, errors.New("the registry answered " + res.Status + " to GET /v2/_catalog")
}

// notSent is the reason that goes with an error of Endpoint.Send.
func notSent(err error) string {
	var e *oci.Error
	switch {
	case errors.Is(err, upstream.ErrConnect):
		return upstream.NotConnected
	case errors.As(err, &e): // the gate's own
		return ""
	}
	return upstream.NoAnswer
}

func readCatalog(from io.Reader) (names []string, reason string, err error) {
	text, err := io.ReadAll(io.LimitReader(from, maxWhole+1))
	if err != nil {
		return nil, upstream.BrokeOff, err
	}
	if len(text) > maxWhole {
		return nil, "", errors.New("a page of the registry's catalog is larger than 4 MiB")
	}
	var body struct {
		Repositories []string `json:"repositories"`
	}
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, "", fmt.Errorf("the registry's catalog: %w", err)
	}
	return body.Repositories, "", nil
}
