package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/regate/regate/internal/edge"
	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

// An exchange is a request that may pass, and who shall answer it.
type exchange struct {
	req    oci.Request // with the names that the client uses
	sent   oci.Request // with those that the registry has
	name   string      // of the repository, that rules have
	route  Match
	grant  oci.Grant
	ticket ticket // of the upload that it goes on with, or begins
	ep     *upstream.Endpoint
	done   func() // counts the request out at ep
}

// A relay takes one request to its endpoint, and to another where that one
// fails and the request may be sent again.
type relay struct {
	exchange
	gate *Gateway
	w    http.ResponseWriter
	r    *http.Request

	body   *inbound                // nil if there is none
	whole  *manifest               // the body, if it has been read before it is sent
	cancel context.CancelCauseFunc // ends the attempt that is under way

	failed   []*upstream.Endpoint
	doubtful bool // one of them may have done what it was asked

	redirected bool // the answer is not the endpoint's own
}

// forward sends the request to its endpoint, and the answer to the client.
func (g *Gateway) forward(w http.ResponseWriter, r *http.Request, x exchange) error {
	f := &relay{exchange: x, gate: g, w: w, r: r, cancel: func(error) {}}
	defer f.close()
	if err := f.takeBody(); err != nil {
		return err
	}
	a, err := f.ask()
	if err != nil {
		return err
	}
	defer a.close()
	f.body.finish(g.limits.Linger) // before the server looks for the rest of it
	return a.send()
}

// close ends what is left of the request.
func (f *relay) close() {
	f.body.finish(f.gate.limits.Linger)
	f.whole.free()
	f.cancel(nil)
	f.done()
}

// takeBody takes the body of the request, if there is one. Which methods have
// one is for parse to say.
func (f *relay) takeBody() error {
	if f.r.ContentLength == 0 || !hasBody(f.r.Method) {
		return nil
	}
	f.body = newInbound(f.w, f.r, f.gate.limits.Idle)
	f.gate.limits.bound(f.body.watch, f.grant)
	if f.req.Op != oci.PutManifest {
		return nil
	}
	f.body.limit(maxManifest)
	if !f.route.Pool.Several() || !f.gate.manifests.reserve(f.r.ContentLength) {
		return nil
	}
	whole, err := f.gate.manifests.read(f.body, f.r.ContentLength)
	f.whole = whole
	return err
}

// attempt sends the request to its endpoint, and reads as much of the answer as
// it takes to know what the client is to see.
func (f *relay) attempt() (*answer, error) {
	ctx := f.begin()
	out := outgoing(f.r, f.exchange).WithContext(ctx)
	f.attach(out)
	res, err := f.fetch(out)
	if err != nil {
		failed := f.unreachable(ctx, err)
		if f.body != nil && !errors.Is(err, upstream.ErrConnect) { // what has no body, RoundTrip has told
			f.blame(f.ep.Failed, failed)
		}
		return nil, failed
	}
	a := f.answer(res)
	if err = a.prepare(); err == nil {
		err = a.hold()
	}
	if err != nil {
		f.blame(a.ep.BrokeOff, err)
		a.close()
		return nil, err
	}
	return a, nil
}

// blame tells the endpoint of an error that is its fault, unless the client has
// gone.
func (f *relay) blame(tell func(error), err error) {
	var e *oci.Error
	if !f.redirected && f.r.Context().Err() == nil && errors.As(err, &e) && e.Kind == oci.Unreachable {
		tell(e.Err)
	}
}

// begin ends the attempt before, and returns the context of the next.
func (f *relay) begin() context.Context {
	edge.RecordFrom(f.r.Context()).Upstream = f.ep.Name
	f.cancel(nil)
	f.redirected = false
	ctx, cancel := context.WithCancelCause(f.r.Context())
	f.cancel = cancel
	f.body.abortWith(cancel)
	return ctx
}

// attach gives out the body.
func (f *relay) attach(out *http.Request) {
	switch {
	case f.whole != nil:
		out.Body, out.ContentLength = f.whole.reader(f.gate.limits.Idle, f.cancel), int64(len(f.whole.text))
		delete(out.Header, "Expect") // it is there already
	case f.body != nil:
		out.Body, out.ContentLength = f.body, f.r.ContentLength
	}
}

// answer watches over the reply of the endpoint.
func (f *relay) answer(res *http.Response) *answer {
	a := &answer{relay: f, uploads: &f.gate.uploads, res: res}
	a.guard()
	return a
}

// unreachable is the error of a request that got no answer. That may be the
// client's fault: then its body says so.
func (f *relay) unreachable(ctx context.Context, err error) error {
	if fault := f.body.failure(); fault != nil {
		return fault
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return unreachable(err)
}

func unreachable(err error) error {
	var said *oci.Error
	if errors.As(err, &said) {
		return said
	}
	return oci.Errorf(oci.Unreachable, "registry unreachable").Because(err)
}
