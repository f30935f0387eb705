package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

// confirmTime bounds the question whether a blob is there.
const confirmTime = 10 * time.Second

// confirm is for the end of an upload that got no answer. It cannot be sent
// again, since the registry forgets an upload that is complete; but if the blob
// is there, the upload is (protocol.md 4.6). Otherwise nothing is known but err.
func (f *relay) confirm(err error) (*answer, error) {
	blob, ok := f.committed()
	if !ok || !f.body.complete() || errors.Is(err, upstream.ErrConnect) || f.r.Context().Err() != nil {
		return nil, f.lost(err)
	}
	for _, want := range [...]upstream.Want{
		{Repository: blob.Repo, Not: []*upstream.Endpoint{f.ep}}, // which may hang
		{Backend: f.ep.ID},
	} {
		if res := f.look(blob, want); res != nil {
			a := f.answer(res)
			if failed := a.prepare(); failed != nil {
				a.close()
				return nil, failed
			}
			return a, nil
		}
	}
	return nil, f.lost(err)
}

// committed is the blob that the upload was to become, as the registry calls it.
func (f *relay) committed() (blob oci.Request, ok bool) {
	query, err := url.ParseQuery(f.sent.RawQuery())
	if err != nil {
		return blob, false
	}
	blob, err = oci.Parse(http.MethodHead, "/v2/"+f.sent.Repo+"/blobs/"+query.Get("digest"))
	return blob, err == nil
}

// look asks an endpoint for the blob, and returns the answer that its upload
// would have got; nil if it is not there.
func (f *relay) look(blob oci.Request, want upstream.Want) *http.Response {
	ep, done, err := f.route.Pool.Pick(want)
	if err != nil {
		return nil
	}
	defer done()
	ctx, cancel := context.WithTimeout(f.r.Context(), confirmTime)
	defer cancel()
	x := f.exchange
	x.sent, x.ep = blob, ep
	out := outgoing(f.r, x).WithContext(ctx)
	out.Method = http.MethodHead
	for _, name := range [...]string{"Content-Range", "Content-Type", "Expect", "If-None-Match", "If-Range", "Range"} {
		delete(out.Header, name)
	}
	if !f.route.Pool.Again(upstream.NoAnswer) {
		return nil
	}
	res, err := ep.Send(out, f.grant, blob.UpstreamNeeds())
	if err != nil {
		return nil
	}
	_ = res.Body.Close()
	if !holds(res, blob) {
		return nil
	}
	return created(res.Request, blob)
}

// holds reports whether a registry says that it has the blob. Distribution looks
// whether it has before it sends anybody to its storage. What leads to the same
// path elsewhere, such as to TLS, says nothing of it.
func holds(res *http.Response, blob oci.Request) bool {
	if digest := res.Header.Get("Docker-Content-Digest"); digest != "" && digest != blob.Digest {
		return false
	}
	to, err := res.Location()
	moved := err == nil && to.Path != res.Request.URL.Path
	return res.StatusCode == http.StatusOK || res.StatusCode == http.StatusTemporaryRedirect && moved
}

// created is how distribution answers the end of an upload.
func created(out *http.Request, blob oci.Request) *http.Response {
	return &http.Response{
		Status: "201 Created", StatusCode: http.StatusCreated,
		Header: http.Header{
			"Content-Length":        {"0"},
			"Docker-Content-Digest": {blob.Digest},
			"Location":              {blob.Path()},
		},
		Body:    http.NoBody,
		Request: out,
	}
}
