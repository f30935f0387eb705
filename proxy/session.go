package proxy

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"time"

	"github.com/regate/regate/internal/oci"
)

// Uploads say how the requests of an upload are kept together.
type Uploads struct {
	// Key is a secret that all gates share and keep, so that each can go on with
	// what another has begun. Zero is one of this Gateway's own.
	Key [sha256.Size]byte
	// Grace is how long after the token has expired that began an upload a client
	// may go on with it. Zero is not at all.
	Grace time.Duration
	// ManifestGrace is how long after it has expired a token is still good for a
	// manifest. Zero is not at all.
	ManifestGrace time.Duration
}

func (u Uploads) withDefaults() Uploads {
	if u.Key == ([sha256.Size]byte{}) {
		_, _ = rand.Read(u.Key[:]) // never fails
	}
	return u
}

// A session is one upload of one client. What a registry has of it may be on
// one of its servers alone, and its id is no secret: distribution 3 gives the
// state of a session to whoever may read the repository.
type session struct {
	subject, registry string
	repo              string // as rules call it
	upload            string // the registry's id
}

// A ticket is what the gate writes into the URL of a session, and reads from it
// with each of its requests. So no gate has to remember any, and none can lose
// them.
type ticket struct {
	backend string    // the server that has the session; "" is any
	expires time.Time // when the token ends that began it; zero if that was no token
}

// A ticket is written as a byte for the version of the format, the time in
// Unix seconds, the backend, and a MAC (HMAC-SHA-256) over all that and the
// session, as base64url.
const (
	ticketVersion = 1
	ticketHead    = 1 + 8
	maxTicket     = 256 // bytes of text
)

// seal writes the ticket of a session.
func (u Uploads) seal(s session, t ticket) string {
	raw := make([]byte, ticketHead, ticketHead+len(t.backend)+sha256.Size)
	raw[0] = ticketVersion
	if !t.expires.IsZero() {
		binary.BigEndian.PutUint64(raw[1:], uint64(t.expires.Unix()))
	}
	raw = append(raw, t.backend...)
	return base64.RawURLEncoding.EncodeToString(append(raw, u.mac(s, raw)...))
}

// open returns the ticket of a session, if text is it.
func (u Uploads) open(s session, text string) (t ticket, ok bool) {
	signed, mac, ok := split(text)
	if !ok || !hmac.Equal(mac, u.mac(s, signed)) {
		return ticket{}, false
	}
	return read(signed), true
}

// mac has the length of each field before it, so that no two sessions give the
// same bytes.
func (u Uploads) mac(s session, signed []byte) []byte {
	h := hmac.New(sha256.New, u.Key[:])
	var length [4]byte
	for _, field := range [...]string{string(signed), s.subject, s.registry, s.repo, s.upload} {
		binary.BigEndian.PutUint32(length[:], uint32(len(field)))
		h.Write(length[:])
		h.Write([]byte(field))
	}
	return h.Sum(nil)
}

// split returns the parts of a ticket, of which nothing has been verified. It
// has one form only.
func split(text string) (signed, mac []byte, ok bool) {
	if len(text) > maxTicket {
		return nil, nil, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) < ticketHead+sha256.Size || raw[0] != ticketVersion || base64.RawURLEncoding.EncodeToString(raw) != text {
		return nil, nil, false
	}
	at := len(raw) - sha256.Size
	return raw[:at], raw[at:], true
}

func read(signed []byte) ticket {
	t := ticket{backend: string(signed[ticketHead:])}
	if at := binary.BigEndian.Uint64(signed[1:]); at != 0 {
		t.expires = time.Unix(int64(at), 0)
	}
	return t
}

// grace is how late a request may be with its token: not at all, but for what
// a push may have to do when it has taken longer than its token lives. That an
// upload's ticket is good is for session to find, when it is known who shows it.
func (u Uploads) grace(req oci.Request, now time.Time) time.Duration {
	switch {
	case req.Op == oci.PutManifest:
		return u.ManifestGrace
	case req.Upload == "":
		return 0
	}
	signed, _, ok := split(req.Ticket)
	if !ok || now.After(read(signed).expires.Add(u.Grace)) {
		return 0
	}
	return u.Grace
}

var errTicket = errors.New("the URL has no ticket for this session of this client")

// session returns the ticket of the upload that a request goes on with, or of
// the one that it begins, and the request to the registry as that knows the
// upload. A session that is not the client's own is unknown, and so is one that
// another gate has begun with another key.
//
// A registry that does its own checking knows whose its sessions are: all that
// a ticket is for there is to find the server.
func (g *Gateway) session(r *http.Request, x exchange) (t ticket, sent oci.Request, err error) {
	if x.req.Upload == "" {
		return ticket{expires: x.grant.Expires}, x.sent, nil
	}
	t, ok := g.uploads.open(x.session(x.req.Upload), x.req.Ticket)
	switch {
	case ok || !x.route.Pool.Checked():
		sent, err = g.uploads.revealState(x)
		return t, sent, err
	case x.grant.Expired(g.now()): // it was let in for the sake of the ticket
		return t, x.sent, g.challenge(r, x.route, x.req, &oci.Refusal{Reason: oci.InvalidToken, Msg: "token has expired"})
	}
	return t, x.sent, lostUpload(errTicket)
}

// session is the client's session with an id of the registry's.
func (x exchange) session(id string) session {
	return session{x.grant.Subject, x.route.Registry, x.name, id}
}

// ticketFor is the parameter of a link that leads to a session, which is on the
// server that wrote the link; "" for any other. The time in it is that of the
// session's beginning: one request must not lengthen what the next one may do.
func (a *answer) ticketFor(link oci.Request) string {
	if link.Upload == "" || a.req.Upload == "" && a.req.Op != oci.StartUpload {
		return ""
	}
	return oci.TicketKey + "=" + a.uploads.seal(a.session(link.Upload), ticket{a.ep.ID, a.ticket.expires})
}

// lostUpload is the error of a request for an upload that cannot go on. It
// makes clients begin the upload anew.
func lostUpload(cause error) error {
	return oci.Errorf(oci.UnknownUpload, "upload unknown, begin it anew").Because(cause)
}

// serverGone is the error of a request for an upload whose server is gone,
// while there are others. What makes a client begin anew is not the same for
// all: docker, podman and crane, which send an upload in a PATCH and end it with
// an empty PUT, do so if the upload is unknown, and podman for nothing else;
// BuildKit, which sends it in one PUT, after any 5xx alone. containerd, oras and
// regctl, which do that as well, give up whatever is said.
func serverGone(r *http.Request, req oci.Request, cause error) error {
	if req.Op == oci.FinishUpload && r.ContentLength != 0 {
		return oci.Errorf(oci.Unreachable, "registry unreachable").Because(cause)
	}
	return lostUpload(cause)
}
