package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
	"github.com/regate/regate/proxy/upstream/storage"
)

// Registries may keep their blobs in an object store, and answer with a
// redirect to a presigned URL there. Whoever has that can read the blob for a
// while, so clients get it only where they are meant to reach the store
// themselves (protocol.md 4.4).

// fetch asks the endpoint and, if it answers with a redirect that the gate
// follows, where that leads.
func (f *relay) fetch(out *http.Request) (*http.Response, error) {
	res, err := f.ep.Send(out, f.grant, f.sent.UpstreamNeeds())
	if err != nil || !f.follows(res) {
		return res, err
	}
	_ = res.Body.Close()
	if len(res.Header["Location"]) != 1 {
		return nil, badStorage(fmt.Errorf("registry answered %s with %d locations", res.Status, len(res.Header["Location"])))
	}
	f.redirected = true
	header := f.toStorage(out.Header)
	got, err := f.route.Pool.Follow(out.Context(), storage.Ask{
		Method: out.Method, Header: header, From: out.URL, Location: res.Header["Location"][0], Gate: f.r.Host,
	})
	switch {
	case errors.Is(err, upstream.ErrRedirect):
		return nil, badStorage(err)
	case err != nil:
		return nil, noStorage(err)
	}
	return f.fromStorage(got, out)
}

// follows reports whether the gate follows an answer elsewhere. Some registries
// of somebody else have another one behind them, and redirect for manifests as
// well.
func (f *relay) follows(res *http.Response) bool {
	if !storage.IsRedirect(res.StatusCode) || !f.route.Pool.Follows(edge.Client(f.r)) {
		return false
	}
	return f.req.Op == oci.GetBlob || f.req.Op == oci.GetManifest && f.route.Pool.Mirror()
}

func badStorage(err error) error {
	return oci.Errorf(oci.BadGateway, "bad answer of the registry").Because(err)
}

func noStorage(err error) error {
	return oci.Errorf(oci.Unreachable, "the registry's storage is unreachable").Because(err)
}

// toStorage has the fields of a request that a storage may see: no credential is
// one of them. Its entity tags are not those that the client knows. A blob is
// the same wherever it is, so the rest of one may come without a condition.
func (f *relay) toStorage(from http.Header) http.Header {
	h := make(http.Header, 4)
	for _, name := range [...]string{"If-None-Match", "If-Range", "Range", "User-Agent"} {
		if v, ok := from[name]; ok {
			h[name] = v
		}
	}
	if f.req.Op == oci.GetManifest {
		h["Accept"] = from["Accept"]
	} else if h.Get("If-Range") == f.blobTag() {
		delete(h, "If-Range")
	}
	return h
}

// blobTag is the entity tag that distribution gives a blob.
func (f *relay) blobTag() string { return `"` + f.req.Digest + `"` }

// fromStorage is the answer of a storage as if the registry had given it.
func (f *relay) fromStorage(res *http.Response, out *http.Request) (*http.Response, error) {
	host := res.Request.URL.Host
	res.Request = out // nothing after this is to know the URL
	switch status := res.StatusCode; {
	case status == http.StatusOK, status == http.StatusPartialContent, status == http.StatusNotModified, status == http.StatusRequestedRangeNotSatisfiable:
	case status == http.StatusNotFound && f.req.Op == oci.GetManifest: // the other registry has to know
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests:
		_ = res.Body.Close()
		return nil, noStorage(fmt.Errorf("storage %s answered %s", host, res.Status))
	default:
		_ = res.Body.Close()
		return nil, badStorage(fmt.Errorf("storage %s answered %s", host, res.Status))
	}
	if f.req.Op == oci.GetBlob {
		f.dress(res)
	}
	return res, nil
}

// dress gives the answer of a storage the header that the registry gives a blob,
// and nothing else.
func (f *relay) dress(res *http.Response) {
	h := http.Header{"Docker-Content-Digest": {f.req.Digest}, "Etag": {f.blobTag()}}
	for _, name := range [...]string{"Accept-Ranges", "Content-Length", "Content-Range", "Last-Modified"} {
		if v := res.Header[name]; v != nil {
			h[name] = v
		}
	}
	h["Content-Type"] = octets
	if v := res.Header["Content-Type"]; res.StatusCode == http.StatusPartialContent && len(v) == 1 && strings.HasPrefix(v[0], "multipart/byteranges") {
		h["Content-Type"] = v // several ranges are the only thing that is not the blob's own bytes
	}
	known := res.StatusCode < http.StatusMultipleChoices && f.known()
	if known {
		_ = res.Body.Close()
		res.StatusCode, res.Status = http.StatusNotModified, "304 Not Modified"
		res.Body, res.ContentLength = http.NoBody, 0
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		delete(h, "Content-Type")
	}
	if known {
		delete(h, "Content-Length")
		delete(h, "Content-Range")
	}
	res.Header = h
}

// known reports whether the client has the blob already (RFC 9110 13.1.2).
// Distribution takes tags without quotes, too.
func (f *relay) known() bool {
	tags := strings.Split(strings.Join(f.r.Header["If-None-Match"], ","), ",")
	return slices.ContainsFunc(tags, func(tag string) bool {
		return strings.Trim(strings.TrimPrefix(strings.TrimSpace(tag), "W/"), `"`) == f.req.Digest
	})
}
