package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/regate/regate/internal/oci"
	"github.com/regate/regate/proxy/upstream"
)

// mostResumes is how often one transfer may go on from another endpoint.
const mostResumes = 5

// A span is the part of a blob that an answer has. What is addressed by its
// digest is the same everywhere, so the rest of it may come from another
// endpoint; the headers of that must say that it is the same (RFC 9110 13.1.5,
// 14.4).
type span struct {
	next, last, total int64 // the first byte that is still to come, the last one, and the size of the blob
	etag              string
}

// span finds the part that the answer has. It is zero if that cannot be had
// from elsewhere.
func (a *answer) span() (s span) {
	ok, res := false, a.res
	switch {
	case a.req.Op != oci.GetBlob || a.r.Method != http.MethodGet || !a.route.Pool.Several():
	case res.ContentLength <= 0 || res.Header["Content-Encoding"] != nil || !a.sameDigest(res):
	case res.StatusCode == http.StatusOK:
		s, ok = span{last: res.ContentLength - 1, total: res.ContentLength}, true
	case res.StatusCode == http.StatusPartialContent:
		s, ok = readRange(res.Header.Get("Content-Range"))
		ok = ok && s.last-s.next+1 == res.ContentLength
	}
	if !ok {
		return span{}
	}
	s.etag = res.Header.Get("Etag")
	return s
}

// sameDigest reports whether an answer says that it has the blob that was asked
// for. Every version of distribution does.
func (a *answer) sameDigest(res *http.Response) bool {
	return res.Header.Get("Docker-Content-Digest") == a.req.Digest
}

// readRange reads "bytes FIRST-LAST/TOTAL", in the one form that there is.
func readRange(text string) (s span, ok bool) {
	n, err := fmt.Sscanf(text, "bytes %d-%d/%d", &s.next, &s.last, &s.total)
	return s, err == nil && n == 3 && text == s.contentRange() && s.next >= 0 && s.next <= s.last && s.last < s.total
}

func (s span) contentRange() string {
	return fmt.Sprintf("bytes %d-%d/%d", s.next, s.last, s.total)
}

// errOther is why an answer cannot be the rest of another one.
var errOther = errors.New("the other upstream has not answered with the rest of the same blob")

// resume has another endpoint go on where this one broke off. The client
// notices nothing but a pause. An error is that of the last one.
func (a *answer) resume(broken error) error {
	if _, slow := a.watch.fired(); slow || a.rest.next > a.rest.last || a.rest.total == 0 || a.r.Context().Err() != nil {
		return broken
	}
	if !a.redirected {
		a.ep.BrokeOff(broken)
	}
	a.failed = nil // they may be up again
	for a.resumes < mostResumes && a.another(upstream.BrokeOff) {
		a.resumes++
		err := a.goOn()
		if err == nil {
			a.route.Pool.Resumed()
			return nil
		}
		broken = fmt.Errorf("%w; then %s: %w", broken, a.ep.Name, err)
	}
	return broken
}

// goOn asks the endpoint for the rest.
func (a *answer) goOn() error {
	a.release()
	ctx := a.begin()
	out := outgoing(a.r, a.exchange).WithContext(ctx)
	delete(out.Header, "If-None-Match")
	delete(out.Header, "If-Range")
	if strings.HasPrefix(a.rest.etag, `"`) { // a strong one
		out.Header["If-Range"] = []string{a.rest.etag}
	}
	out.Header["Range"] = []string{fmt.Sprintf("bytes=%d-%d", a.rest.next, a.rest.last)}
	res, err := a.fetch(out)
	if err != nil {
		return err
	}
	if !a.continues(res) {
		_ = res.Body.Close()
		return fmt.Errorf("%w: %s, %q", errOther, res.Status, res.Header.Get("Content-Range"))
	}
	a.res = res
	a.guard()
	return nil
}

// continues reports whether res is the rest of the same blob, to the byte.
func (a *answer) continues(res *http.Response) bool {
	h := res.Header
	return res.StatusCode == http.StatusPartialContent &&
		checkSingle(h) == nil &&
		h.Get("Content-Range") == a.rest.contentRange() &&
		res.ContentLength == a.rest.last-a.rest.next+1 &&
		h["Content-Encoding"] == nil &&
		h.Get("Etag") == a.rest.etag &&
		a.sameDigest(res)
}

// hold reads an answer that is small to its end before any of it is sent, so
// that all of it can come from another endpoint if this one breaks off.
func (a *answer) hold() error {
	size := a.res.ContentLength
	if !a.route.Pool.Several() || a.held != nil || !a.hasBody() || size <= 0 || size > int64(a.roomToHold()) {
		return nil
	}
	pool := small
	if size > int64(small.size) {
		pool = large
	}
	buf := pool.get()
	a.held = func() { pool.put(buf) }
	a.watch.on()
	defer a.watch.off()
	if _, err := io.ReadFull(a.res.Body, (*buf)[:size]); err != nil {
		return unreachable(a.why(err))
	}
	a.ep.Finished()
	a.setBody((*buf)[:size])
	return nil
}

// roomToHold is the size of what is small. A blob that is larger can be
// resumed; a manifest cannot.
func (a *answer) roomToHold() int {
	if a.req.Op == oci.GetManifest {
		return large.size
	}
	return small.size
}
