package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/regate/regate/internal/oci"
)

// An answer is the reply of a registry on its way to the client.
type answer struct {
	*relay
	uploads *Uploads
	res     *http.Response

	watch   *watch      // over reading from the registry and writing to the client
	sending atomic.Bool // the header is under way, so there is no other answer any more
	reading atomic.Bool // from the registry, after that

	held    func() // gives back where all of the body is; nil if it is nowhere
	rest    span   // what is still to come, if another endpoint may have to send it
	resumes int
}

// guard ends the attempt if there is no progress, and what is being written to
// the client. It may be called again when another endpoint goes on.
func (a *answer) guard() {
	abort := a.cancel
	a.watch = newWatch(a.gate.limits.Idle, func() {
		abort(errStalled)                          // first, as the deadline ends a stream of HTTP/2 without saying why
		if a.sending.Load() && !a.reading.Load() { // the client may be the one that waits
			_ = http.NewResponseController(a.w).SetWriteDeadline(past)
		}
	})
	a.gate.limits.bound(a.watch, a.grant)
}

// release ends what the answer has of the registry.
func (a *answer) release() {
	a.watch.close()
	_ = a.res.Body.Close()
}

// close ends the answer, if there is one.
func (a *answer) close() {
	if a == nil {
		return
	}
	a.release()
	if a.held != nil {
		a.held()
		a.held = nil
	}
}

// maxWhole is the largest body that is read before it is sent on.
const maxWhole = 4 << 20

// prepare decides what the client is to see, while nothing has been sent. The
// answer to a request that changed something, and an error, are read to their
// end first: they are small, and can still be replaced.
func (a *answer) prepare() error {
	if err := a.refuse(); err != nil {
		return err
	}
	err := checkSingle(a.res.Header)
	if err == nil {
		err = a.rewriteLinks()
	}
	if err != nil {
		return oci.Errorf(oci.BadGateway, "bad answer of the registry").Because(err)
	}
	status := a.res.StatusCode
	switch {
	case status == http.StatusTemporaryRedirect:
		a.dropBody()
	case status >= 400 && !isJSON(a.res.Header):
		a.reword()
	case status >= 400 || !a.req.ReadOnly():
		return a.readWhole()
	case status < 300 && a.req.Op == oci.ListTags:
		return a.prepareTags()
	}
	return nil
}

// refuse finds the answers that a client must not get. What the gate has let
// through, the registry may not refuse: its challenge would make the client
// send a password to whatever realm it names (protocol.md 4.7).
func (a *answer) refuse() error {
	status := a.res.StatusCode
	switch {
	case (status == http.StatusUnauthorized || status == http.StatusForbidden) && a.route.Pool.Checked():
		return oci.Errorf(oci.BadGateway, "the registry refuses the gate").
			Because(a.unfit())
	case status == http.StatusNotModified, status == http.StatusTemporaryRedirect && a.req.Op == oci.GetBlob:
		return nil
	case status < 200 || status >= 300 && status < 400:
		return oci.Errorf(oci.BadGateway, "bad answer of the registry").
			Because(fmt.Errorf("registry answered %s, location %q", a.res.Status, bare(a.res.Header.Get("Location"))))
	case status < 300 && a.endless():
		return oci.Errorf(oci.BadGateway, "bad answer of the registry").
			Because(errors.New("the body ends with the connection, so nobody can see whether it is whole"))
	}
	return nil
}

// challengeService is the service that a registry says tokens must be for.
var challengeService = regexp.MustCompile(`(?i)[ ,]service="([^"]*)"`)

// unfit says why the registry may have refused the gate, and what to compare.
func (a *answer) unfit() error {
	challenge := a.res.Header.Get("Www-Authenticate")
	err := fmt.Errorf("registry answered %s, challenge %q", a.res.Status, challenge)
	ours := a.route.Pool.Service()
	if ours == "" {
		return err
	}
	if m := challengeService.FindStringSubmatch(challenge); m != nil && m[1] != ours {
		return fmt.Errorf("%w: its auth.token.service is %q, ours is %q", err, m[1], ours)
	}
	return fmt.Errorf("%w: compare its auth.token with what regate root prints", err)
}

// endless reports whether nothing says where the body ends.
func (a *answer) endless() bool {
	res := a.res
	return res.ContentLength < 0 && len(res.TransferEncoding) == 0 && a.r.Method != http.MethodHead
}

// rewriteLinks replaces what is to lead to the gate, after checkSingle.
func (a *answer) rewriteLinks() error {
	h := a.res.Header
	if a.res.StatusCode == http.StatusTemporaryRedirect {
		h.Del("Link") // it would lead to a page of a blob
		return a.storage(h.Get("Location"))
	}
	if text := h.Get("Location"); text != "" {
		public, err := a.publicLocation(text)
		if err != nil {
			return fmt.Errorf("location %q: %w", bare(text), err)
		}
		h["Location"] = []string{public}
	}
	for i, text := range h["Warning"] { // for people (RFC 7234 5.5)
		h["Warning"][i] = a.translation().text(text)
	}
	if text := h.Get("Link"); text != "" {
		public, err := a.publicLink(text)
		if err != nil {
			return fmt.Errorf("link %q: %w", bare(text), err)
		}
		h["Link"] = []string{public}
	}
	return nil
}

func isJSON(h http.Header) bool {
	media, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.TrimSpace(media) == "application/json" && h.Get("Content-Encoding") == ""
}

// reword puts an error of our words in the place of a text or a page, which
// is what comes from outside a registry's handlers. Clients parse JSON alone.
func (a *answer) reword() {
	status := a.res.StatusCode
	text := fmt.Sprintf(`{"errors":[{"code":%q,"message":%q}]}`, code(status), "the registry says: "+http.StatusText(status))
	a.setBody([]byte(text))
	a.res.Header["Content-Type"] = jsonType
	a.res.Header.Del("Content-Encoding")
}

// code is the code of the distribution-spec, or of distribution, that goes
// with a status. It is never NAME_UNKNOWN: oras takes that for a missing
// repository when it asks a registry without referrers for some
// (protocol.md 2.5).
func code(status int) string {
	switch {
	case status == http.StatusRequestEntityTooLarge:
		return "SIZE_INVALID"
	case status == http.StatusRequestedRangeNotSatisfiable:
		return "RANGE_INVALID"
	case status == http.StatusTooManyRequests:
		return "TOOMANYREQUESTS"
	case status == http.StatusInternalServerError:
		return "UNKNOWN"
	case status > http.StatusInternalServerError:
		return "UNAVAILABLE"
	case status == http.StatusUnauthorized:
		return "UNAUTHORIZED"
	case status == http.StatusForbidden:
		return "DENIED"
	}
	return "UNSUPPORTED"
}

// readWhole reads the body, and fails while the client can still be told.
func (a *answer) readWhole() error {
	a.watch.on()
	defer a.watch.off()
	text, err := io.ReadAll(io.LimitReader(a.res.Body, maxWhole+1))
	if err != nil {
		return oci.Errorf(oci.Unreachable, "registry unreachable").Because(a.why(err))
	}
	if len(text) > maxWhole {
		return oci.Errorf(oci.BadGateway, "bad answer of the registry").Because(errors.New("the body is larger than 4 MiB"))
	}
	if a.r.Method != http.MethodHead && len(text) > 0 {
		a.setWhole(text)
	}
	return nil
}

// setWhole replaces the body by text, with the names that the client uses. A
// body in which they cannot be told is left out: nobody reads that of an answer
// that is no error.
func (a *answer) setWhole(text []byte) {
	names := a.translation()
	if len(names) == 0 {
		a.setBody(text)
		return
	}
	out, ok := names.json(text)
	switch {
	case ok:
		a.setBody(out)
	case a.res.StatusCode >= 400:
		a.reword()
	default:
		a.dropBody()
	}
}

func (a *answer) dropBody() {
	a.setBody(nil)
	a.res.Header.Del("Content-Type")
	a.res.Header.Del("Content-Encoding")
}

// pretend replaces the status, and drops the body.
func (a *answer) pretend(status int) {
	a.res.StatusCode, a.res.Status = status, http.StatusText(status)
	a.dropBody()
}

// setBody replaces the body. Whoever closes the old one need not know.
func (a *answer) setBody(text []byte) {
	a.res.Body = struct {
		io.Reader
		io.Closer
	}{bytes.NewReader(text), a.res.Body}
	a.res.ContentLength = int64(len(text))
	a.res.Header["Content-Length"] = []string{fmt.Sprint(len(text))}
}

// why adds to an error of the registry's body what ended it, if that was us.
func (a *answer) why(err error) error {
	if cause := context.Cause(a.res.Request.Context()); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}
