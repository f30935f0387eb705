package edge

import (
	"context"
	"net/http"
	"net/netip"
	"time"
)

// A scope is all that the package keeps for one request: its context, its
// record, and what went over the wire. One allocation holds it. It is not
// pooled, because a context may outlive its handler (http.Transport goes on
// dialling with it), and would then show another request's record.
type scope struct {
	context.Context
	record Record
	start  time.Time
	client netip.Addr
	writer writer
	body   body
}

type scopeKey struct{}

// Value makes the scope a context that carries itself.
func (s *scope) Value(key any) any {
	if key == (scopeKey{}) {
		return s
	}
	return s.Context.Value(key)
}

func from(ctx context.Context) *scope {
	s, _ := ctx.Value(scopeKey{}).(*scope)
	return s
}

// enter returns the scope of a request and the request within it. The first
// middleware that asks makes it. The server's own request is left without its
// header: on HTTP/2, that lives until the answer has been taken, which the
// client may put off, when nobody wants the header any more.
func enter(w http.ResponseWriter, r *http.Request) (*scope, http.ResponseWriter, *http.Request) {
	if s := from(r.Context()); s != nil {
		return s, w, r
	}
	s := &scope{Context: r.Context(), start: time.Now(), client: peer(r)}
	s.writer.ResponseWriter = w
	relax(w, r)
	servers := r
	r = r.WithContext(s)
	servers.Header = nil
	if r.Body != nil && r.Body != http.NoBody {
		s.body.ReadCloser = r.Body
		r.Body = &s.body
	}
	return s, &s.writer, r
}

// gone reports whether nobody is there any more to read an answer. Any failed
// read ends the context of a connection, one that a deadline ended too; then,
// the client is still there.
func (s *scope) gone() bool {
	return s.body.broken.Load() || s.Context.Err() != nil && !s.body.slow.Load()
}
