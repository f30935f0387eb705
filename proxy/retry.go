package proxy

import (
	"errors"
	"net/http"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

// mostTries is how many endpoints one request is sent to.
const mostTries = 4

// ask sends the request until an endpoint has answered it, to one after the
// other as far as that is safe (protocol.md 4.6). Nothing has been sent to the
// client so far.
func (f *relay) ask() (*answer, error) {
	for {
		a, err := f.attempt()
		reason := f.again(a, err)
		if reason == "" || !f.another(reason) {
			return f.conclude(a, err)
		}
		a.close()
		f.doubt(a, reason)
	}
}

// again is the reason for which the request may be sent again; "" if it may
// not.
func (f *relay) again(a *answer, err error) string {
	switch {
	case f.r.Context().Err() != nil: // the client has gone
		return ""
	case err == nil && upstream.Sick(a.res.StatusCode) && f.repeatable():
		return upstream.BadStatus
	case errors.Is(err, upstream.ErrConnect) && (f.repeatable() || f.unsent()):
		return upstream.NotConnected
	case unanswered(err) && f.repeatable():
		return upstream.NoAnswer
	}
	return ""
}

// unanswered reports whether err is that of a request which got no answer, or a
// part of one. An answer that clients must not get is none of that kind.
func unanswered(err error) bool {
	var e *oci.Error
	return errors.As(err, &e) && e.Kind == oci.Unreachable
}

// repeatable reports whether the request may be sent to another endpoint even
// if one has had it: what only reads, and what comes to the same when it is done
// twice. An upload that has been begun twice is forgotten by the registry after
// a while. Whatever goes on with an upload can be done by one endpoint alone.
func (f *relay) repeatable() bool {
	switch f.req.Op {
	case oci.StartUpload:
		return f.body == nil
	case oci.PutManifest:
		return f.whole != nil
	}
	return deletes(f.req.Op) || f.req.ReadOnly() && f.req.Upload == ""
}

func deletes(op oci.Op) bool { return op == oci.DeleteManifest || op == oci.DeleteBlob }

// unsent reports whether the body, of which nothing has been kept, is still to
// be read.
func (f *relay) unsent() bool { return f.req.Upload == "" && !f.body.hasBegun() }

// another makes the request one for another endpoint, if there is one and the
// budget allows it.
func (f *relay) another(reason string) bool {
	pool := f.route.Pool
	if !pool.Several() || len(f.failed)+1 >= mostTries {
		return false
	}
	failed := append(f.failed, f.ep)
	ep, done, err := pool.Pick(upstream.Want{Repository: f.sent.Repo, Not: failed})
	if err != nil {
		return false
	}
	if !pool.Again(reason) {
		done()
		return false
	}
	f.done()
	f.failed, f.ep, f.done = failed, ep, done
	return true
}

// doubt notes that an endpoint may have done what it was asked.
func (f *relay) doubt(a *answer, reason string) {
	if reason == upstream.NotConnected || reason == upstream.BadStatus && a.res.StatusCode == http.StatusServiceUnavailable {
		return
	}
	f.doubtful = true
}

// conclude makes of the last answer, or error, what there is to be said of all
// attempts.
func (f *relay) conclude(a *answer, err error) (*answer, error) {
	switch {
	case err == nil && f.doubtful && deletes(f.req.Op) && a.res.StatusCode == http.StatusNotFound:
		a.pretend(http.StatusAccepted) // it was there, and an earlier attempt has deleted it
	case unanswered(err) && f.req.Op == oci.FinishUpload:
		return f.confirm(err)
	}
	return a, f.lost(err)
}

// lost is the error of an upload whose server cannot be reached: there may be
// others with which the client can begin anew.
func (f *relay) lost(err error) error {
	if f.req.Upload != "" && f.route.Pool.Several() && unanswered(err) {
		return serverGone(f.r, f.req, err)
	}
	return err
}
