package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

// A source asks a registry for its listing on the gate's own behalf.
type source struct{ pool *upstream.Pool }

// Page is listing.Source's. A registry without a catalog answers 404 or 405.
func (s source) Page(ctx context.Context, last string) (names []string, more bool, err error) {
	ep, done, err := s.pool.Pick(upstream.Want{})
	if err != nil {
		return nil, false, err
	}
	defer done()
	q := url.Values{"n": {fmt.Sprint(mostPage)}}
	if last != "" {
		q.Set("last", last)
	}
	out := (&http.Request{Method: http.MethodGet, URL: ep.Target("/v2/_catalog", q.Encode()), Header: http.Header{}}).WithContext(ctx)
	res, err := ep.Send(out, oci.Grant{}, []oci.Access{oci.CatalogAccess()})
	if err != nil {
		return nil, false, err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
		names, err = readCatalog(res.Body)
		return names, res.Header.Get("Link") != "", err
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return nil, false, nil
	}
	return nil, false, errors.New("the registry answered " + res.Status + " to GET /v2/_catalog")
}

func readCatalog(from io.Reader) ([]string, error) {
	text, err := io.ReadAll(io.LimitReader(from, maxWhole+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxWhole {
		return nil, errors.New("a page of the registry's catalog is larger than 4 MiB")
	}
	var body struct {
		Repositories []string `json:"repositories"`
	}
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, fmt.Errorf("the registry's catalog: %w", err)
	}
	return body.Repositories, nil
}
