package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

// An exchange is a request that may pass, and who shall answer it.
type exchange struct {
	req    oci.Request // with the names that the client uses
	sent   oci.Request // with those that the registry has
	route  *Route
	grant  oci.Grant
	ticket ticket // of the upload that it goes on with, or begins
	ep     *upstream.Endpoint
}

// forward sends the request to its endpoint, and the answer to the client.
func (g *Gateway) forward(w http.ResponseWriter, r *http.Request, x exchange) error {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	out := outgoing(r, x).WithContext(ctx)
	body := g.attach(out, w, r, cancel)
	if body != nil {
		g.limits.bound(body.watch, x.grant)
	}
	if x.req.Op == oci.PutManifest {
		body.limit(maxManifest)
	}
	defer body.finish(g.limits.Linger)

	if err := x.ep.Credential.Set(out, x.grant, x.sent.UpstreamNeeds()); err != nil {
		return unavailable(err)
	}
	res, err := x.ep.RoundTrip(out)
	if err != nil {
		return unreachable(ctx, body, err)
	}
	defer res.Body.Close()

	a := &answer{exchange: x, uploads: &g.uploads, w: w, r: r, res: res}
	a.guard(g.limits.Idle, cancel)
	g.limits.bound(a.watch, x.grant)
	defer a.watch.close()
	if err := a.prepare(); err != nil {
		return err
	}
	body.finish(g.limits.Linger) // before the server looks for the rest of it
	return a.send()
}

// attach gives out the body of r, if there is one. Which methods have one is
// for parse to say.
func (g *Gateway) attach(out *http.Request, w http.ResponseWriter, r *http.Request, abort context.CancelCauseFunc) *inbound {
	if r.ContentLength == 0 || !hasBody(r.Method) {
		return nil
	}
	b := newInbound(w, r, g.limits.Idle, abort)
	out.Body, out.ContentLength = b, r.ContentLength
	return b
}

// unreachable is the error of a request that got no answer. That may be the
// client's fault: then its body says so.
func unreachable(ctx context.Context, body *inbound, err error) error {
	if fault := body.failure(); fault != nil {
		return fault
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return oci.Errorf(oci.Unreachable, "registry unreachable").Because(err)
}
